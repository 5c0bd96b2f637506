// Runs before the first paint, so that a remembered theme and language do not flash. Everything else is a module.
(() => {
  const remembered = (name) => {
    try {
      return localStorage.getItem(`semsearch.${name}`);
    } catch {
      return null;
    }
  };
  const theme = remembered("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  const language = remembered("language") ?? navigator.language;
  document.documentElement.lang = language.startsWith("zh") ? "zh-Hans" : "en";
})();
