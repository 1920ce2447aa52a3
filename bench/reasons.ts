/** Why a row does not reach its target, by its profile; shown with the row when it does not. */
export const reasons: Readonly<Record<string, string>> = {};
