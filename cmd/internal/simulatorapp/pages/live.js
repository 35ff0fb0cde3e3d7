// Pages keep themselves current: after an event their own address is fetched
// again and its main part put in place. Without this script they work as well;
// a reload does the same.
(function () {
  "use strict";
  Array.prototype.forEach.call(document.querySelectorAll("input[type=range]"), function (slider) {
    slider.addEventListener("input", function () { slider.nextElementSibling.textContent = slider.value + " %"; });
  });
  var main = document.querySelector("main[data-live]");
  var note = document.getElementById("live");
  if (!main || !window.EventSource || !window.fetch) return;
  var stream = null, due = 0, last = 0;

  function busy() { // nobody loses what they are doing
    var at = document.activeElement;
    var picked = window.getSelection && String(window.getSelection()) !== "";
    return picked || (at && main.contains(at) && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName));
  }

  function fresh() {
    due = 0;
    if (busy()) { due = setTimeout(fresh, 2000); return; }
    fetch(location.href, { headers: { Accept: "text/html" } }).then(function (r) {
      return r.ok ? r.text() : "";
    }).then(function (text) {
      if (!text) return;
      var next = new DOMParser().parseFromString(text, "text/html").querySelector("main");
      if (!next || next.innerHTML === main.innerHTML) return;
      var focus = document.activeElement && main.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      main.innerHTML = next.innerHTML;
      if (focus) {
        Array.prototype.some.call(main.querySelectorAll("a[href]"), function (a) {
          if (a.getAttribute("href") === focus) { a.focus(); return true; }
          return false;
        });
      }
      note.hidden = false;
      note.textContent = note.dataset.updated + " " + new Date().toLocaleTimeString(document.documentElement.lang === "da" ? "da-DK" : "en-GB");
    }).catch(function () {});
  }

  function soon() { // many events make one update, at most two a second
    if (due) return;
    var wait = Math.max(100, 500 - (Date.now() - last));
    last = Date.now() + wait;
    due = setTimeout(fresh, wait);
  }

  function follow() {
    if (stream || document.hidden) return;
    stream = new EventSource("/api/v1/events/stream");
    ["call", "push", "print", "available", "dial", "clock", "reset"].forEach(function (kind) {
      stream.addEventListener(kind, soon);
    });
  }

  // A page that nobody sees holds no connection; browsers have few of them.
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) {
      if (stream) { stream.close(); stream = null; }
    } else { soon(); follow(); }
  });
  window.addEventListener("pagehide", function () { if (stream) { stream.close(); stream = null; } });
  follow();
})();
