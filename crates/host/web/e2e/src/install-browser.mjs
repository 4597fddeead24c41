// `npm run browser`: sees to it that there is a browser. Ends with 3 when none can be had, which is
// the one reason for which the tests may be left out.
import { findBrowser, installBrowser } from './chromium.mjs';

const problem = installBrowser();
if (problem === '') {
  console.log(`browser: ${findBrowser()}`);
} else {
  console.error(problem);
  process.exitCode = 3;
}
