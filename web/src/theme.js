// Light, dark or as the system says; plots ask here for their colours and are told when these change.
import { button } from './dom.js';

const listeners = new Set();
const system = window.matchMedia('(prefers-color-scheme: dark)');
const order = ['auto', 'light', 'dark'];
let mode = 'auto';

const remember = (value) => { try { localStorage.setItem('edgewise-theme', value); } catch { /* file:// may refuse */ } };
const recall = () => { try { return localStorage.getItem('edgewise-theme'); } catch { return null; } };
const tell = () => listeners.forEach((listener) => listener());

export const onThemeChange = (listener) => listeners.add(listener);
export const isDark = () => (mode === 'auto' ? system.matches : mode === 'dark');
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function apply(next) {
  mode = order.includes(next) ? next : 'auto';
  if (mode === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = mode;
}

export function themeButton() {
  apply(new URLSearchParams(location.search).get('theme') ?? recall());
  system.addEventListener('change', tell);
  const label = () => `Theme: ${mode}`;
  const element = button(label(), () => {
    apply(order[(order.indexOf(mode) + 1) % order.length]);
    remember(mode);
    element.textContent = label();
    tell();
  }, { class: 'quiet' });
  return element;
}

// Okabe and Ito's colours, which people with colour-blindness tell apart; shapes repeat the distinction.
export const palette = () => (isDark()
  ? ['#5aa9e6', '#f28e4b', '#3fbf95', '#e092c0', '#f0c14b', '#9bd3f5', '#b9a3e3', '#c9c5bb']
  : ['#0072b2', '#c8550a', '#00866a', '#b8558f', '#a87400', '#3b9bd4', '#6f56a8', '#5c5850']);
