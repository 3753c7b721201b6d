// What mdBook's pages lack for readers who use a keyboard or a screen reader.

const toggle = document.getElementById('mdbook-sidebar-toggle');
if (toggle) {
  toggle.setAttribute('role', 'button');
  toggle.tabIndex = 0;
  toggle.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    toggle.click();
  });
}
document.getElementById('mdbook-menu-bar')?.setAttribute('role', 'banner');

/** What is wider than the page can be scrolled with the keyboard. */
function scrollable() {
  for (const element of document.querySelectorAll('main pre > code, main .table-wrapper')) {
    const scrolls = element.scrollWidth > element.clientWidth;
    if (scrolls) element.tabIndex = 0;
    else element.removeAttribute('tabindex');
  }
}
addEventListener('load', scrollable);
addEventListener('resize', scrollable);
