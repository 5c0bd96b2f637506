// What the browser keeps: a person's choices, and for a tab what was typed. A browser that keeps nothing is fine.
const LONGEST_DRAFT = 200_000; // characters

function storage(kind) {
  try {
    return window[kind];
  } catch {
    return null;
  }
}

function read(kind, name) {
  try {
    return storage(kind)?.getItem(`semsearch.${name}`) ?? null;
  } catch {
    return null;
  }
}

function write(kind, name, value) {
  try {
    if (value === null) storage(kind)?.removeItem(`semsearch.${name}`);
    else storage(kind)?.setItem(`semsearch.${name}`, value);
  } catch {
    /* it holds until the page is left */
  }
}

export const recall = (name) => read("localStorage", name);
export const remember = (name, value) => write("localStorage", name, value);

/** Return what was typed into a field of this tab, also before a reload. */
export const draft = (name) => read("sessionStorage", name) ?? "";
export const keepDraft = (name, text) => write("sessionStorage", name, text.length <= LONGEST_DRAFT ? text : null);
