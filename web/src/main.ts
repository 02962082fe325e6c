import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { reloadOnce } from './state/reload';

// After an update of the server the chunks of the old page are missing.
window.addEventListener('vite:preloadError', (event) => {
  if (reloadOnce()) event.preventDefault();
});

const target = document.getElementById('app');
if (target) mount(App, { target });
