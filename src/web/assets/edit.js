// Makes editing a task quicker: jobs are moved where they stand, whole days and hours are ticked at once. Without it the forms do the same.
(() => {
  'use strict';
  const SIZES = { d: 86400, j: 86400, h: 3600, min: 60, m: 60, s: 1, '': 1 };

  // The seconds of what was typed; none if it is no time.
  function seconds(text) {
    if (!/^\s*(\d+\s*[a-z]*\s*)+$/i.test(text)) return null;
    let total = 0;
    for (const [, number, unit] of text.matchAll(/(\d+)\s*([a-z]*)/gi)) {
      const size = SIZES[unit.toLowerCase()];
      if (size === undefined) return null;
      total += Number(number) * size;
    }
    return total;
  }

  const list = document.querySelector('.places');
  if (list) {
    const said = document.getElementById('said');
    const delay = (job) => job && job.querySelector('[name=delay]');

    // After a move: a job starts no earlier than the one above it and no later than the one below.
    function settle(job) {
      const own = seconds(delay(job).value);
      const above = delay(job.previousElementSibling);
      const below = delay(job.nextElementSibling);
      if (above && own !== null && seconds(above.value) > own) delay(job).value = above.value;
      else if (below && own !== null && seconds(below.value) !== null && seconds(below.value) < own) delay(job).value = below.value;
      const place = [...list.children].indexOf(job) + 1;
      said.textContent = list.dataset.said.replace('{}', job.dataset.name).replace('{}', place);
    }

    list.addEventListener('click', (event) => {
      const button = event.target.closest('button[name=move]');
      if (!button) return;
      event.preventDefault();
      const job = button.closest('.place');
      const up = button.value.startsWith('up-');
      const other = up ? job.previousElementSibling : job.nextElementSibling;
      if (!other) return;
      if (up) other.before(job);
      else other.after(job);
      settle(job);
      button.focus();
    });

    for (const handle of list.querySelectorAll('.handle')) {
      handle.hidden = false;
      const job = handle.closest('.place');
      const over = (event) => {
        const others = [...list.children].filter((other) => other !== job);
        const below = others.find((other) => {
          const box = other.getBoundingClientRect();
          return event.clientY < box.top + box.height / 2;
        });
        if (below ? job.nextElementSibling !== below : job.nextElementSibling) {
          if (below) below.before(job);
          else list.append(job);
        }
      };
      const end = () => {
        document.removeEventListener('pointermove', over);
        document.removeEventListener('pointerup', end);
        document.removeEventListener('pointercancel', end);
        job.classList.remove('dragged');
        settle(job);
      };
      handle.addEventListener('pointerdown', (event) => {
        event.preventDefault();
        job.classList.add('dragged');
        document.addEventListener('pointermove', over);
        document.addEventListener('pointerup', end);
        document.addEventListener('pointercancel', end);
      });
    }
  }

  // Heads of rows and columns become buttons: all are ticked, or none if all were.
  const grid = document.querySelector('.grid');
  if (grid) {
    for (const head of grid.querySelectorAll('[data-row], [data-column]')) {
      const boxes = 'row' in head.dataset
        ? [...head.parentElement.querySelectorAll('input')]
        : [...grid.querySelectorAll(`tbody td:nth-child(${Number(head.dataset.column) + 2}) input`)];
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = head.textContent;
      button.setAttribute('aria-label', head.dataset.label);
      button.addEventListener('click', () => {
        const all = boxes.every((box) => box.checked);
        for (const box of boxes) box.checked = !all;
      });
      head.replaceChildren(button);
    }
  }
})();
