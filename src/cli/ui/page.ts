/** The browser's part, which the build makes of src/page. */
declare const DRAWBRIDGE_PAGE: { readonly script: string; readonly style: string };

/** Script and style of the page, as they stand in it. */
export function pageParts(): { readonly script: string; readonly style: string } {
  return DRAWBRIDGE_PAGE;
}
