// Whether the screen is narrow, as in the media queries of the styles.
const narrow = matchMedia('(width < 720px)');

class Layout {
  isPhone = $state(narrow.matches);

  constructor() {
    narrow.addEventListener('change', (e) => (this.isPhone = e.matches));
  }
}

export const layout = new Layout();
