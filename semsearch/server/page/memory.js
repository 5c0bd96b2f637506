// What the browser keeps of a person's choices. A browser that keeps nothing is fine.
export function recall(name) {
  try { return localStorage.getItem(`semsearch.${name}`); } catch { return null; }
}

export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`semsearch.${name}`);
    else localStorage.setItem(`semsearch.${name}`, value);
  } catch { /* the choice holds until the page is left */ }
}
