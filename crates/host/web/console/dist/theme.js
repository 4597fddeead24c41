// Runs before the first paint, so that a page in the other theme never flashes.
try {
  var theme = localStorage.getItem('dxos-console-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is denied: the system's theme shows.
}
