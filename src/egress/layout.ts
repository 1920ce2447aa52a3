/** Declarations inside `table inet drawbridge` that judge where containers may go. */
export const egressDeclarations = '';
