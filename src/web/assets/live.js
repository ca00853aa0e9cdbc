// Keeps the lines of the monitoring page as the sidecar has counted them. Without it the page stays as it was asked for.
(() => {
  'use strict';
  const list = document.querySelector('[data-live]');
  if (!list || !window.EventSource) return;
  const counted = document.getElementById('counted');
  const pending = document.getElementById('pending');
  const none = document.getElementById('none');
  const live = document.getElementById('live');
  const RETRY = 30000;
  let shown = list.dataset.from;
  let source = null;
  let retry = 0;
  // Seconds, and the moment by the clock of this page at which they were so many.
  let age = counted.dataset.age === '' ? null : Number(counted.dataset.age);
  let at = performance.now();

  // Makes `old` what `wanted` is, changing only what differs: what has the focus, or is selected, stays.
  function become(old, wanted) {
    if (old.nodeType !== wanted.nodeType || old.nodeName !== wanted.nodeName) {
      old.replaceWith(wanted);
      return;
    }
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== wanted.data) old.data = wanted.data;
      return;
    }
    for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of [...wanted.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const before = [...old.childNodes];
    const after = [...wanted.childNodes];
    after.forEach((node, index) => (before[index] ? become(before[index], node) : old.append(node)));
    before.slice(after.length).forEach((node) => node.remove());
  }

  function line(html) {
    const template = document.createElement('template');
    template.innerHTML = html.trim();
    return template.content.firstElementChild;
  }

  function tick() {
    counted.textContent = age === null ? '' : counted.dataset.text.replace('{}', Math.floor(age + (performance.now() - at) / 1000));
  }

  function apply(news) {
    age = news.age;
    at = performance.now();
    pending.textContent = news.pending || '';
    for (const [id, html] of Object.entries(news.lines)) {
      const old = document.getElementById(`task-${id}`);
      if (old) become(old, line(html));
      else list.append(line(html));
    }
    if (news.order) {
      const wanted = new Set(news.order.map((id) => `task-${id}`));
      for (const child of [...list.children]) if (!wanted.has(child.id)) child.remove();
      [...wanted].forEach((id, index) => {
        const element = document.getElementById(id);
        if (element && list.children[index] !== element) list.insertBefore(element, list.children[index]);
      });
      list.hidden = list.children.length === 0;
      none.hidden = !list.hidden;
    }
    tick();
  }

  function tell(isLive) {
    live.hidden = false;
    live.textContent = isLive ? live.dataset.on : live.dataset.off;
    live.dataset.state = isLive ? 'on' : 'off';
  }

  function close() {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
    tell(false);
  }

  function open() {
    clearTimeout(retry);
    if (source || document.hidden) return;
    source = new EventSource(`${list.dataset.live}?from=${encodeURIComponent(shown)}`);
    source.addEventListener('open', () => tell(true));
    source.addEventListener('board', (event) => {
      shown = event.lastEventId;
      apply(JSON.parse(event.data));
    });
    source.addEventListener('end', () => {
      close();
      location.reload();
    });
    source.addEventListener('error', () => {
      tell(false);
      // The browser tries again by itself, unless it was refused.
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        retry = setTimeout(open, RETRY);
      }
    });
  }

  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  // The answer to a form is another page; signing out would end the stream, and asking for this page again the form.
  document.addEventListener('submit', close);
  // A page that the browser puts aside, and one that it takes out again.
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', open);
  setInterval(tick, 1000);
  open();
})();
