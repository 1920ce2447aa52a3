/** Declarations inside `table bridge drawbridge`: who may send what on a bridge. */
export const guardDeclarations = '';
