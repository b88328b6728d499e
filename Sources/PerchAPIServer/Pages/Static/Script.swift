// SPDX-License-Identifier: Apache-2.0

/// What scripts add to pages that work without them: pages that look again by themselves, keys, and the zoom of graphs.
enum Script {
    static let text = #"""
        "use strict";
        (() => {
          const main = document.getElementById("main");
          const field = (e) => e.target.closest && e.target.closest("input,textarea,select");

          // Pages that look again: what has not changed is answered with nothing, and what somebody works on is left alone.
          if (main && main.hasAttribute("data-live")) {
            let tag = null, wait = 5000;
            const look = async () => {
              setTimeout(look, wait);
              if (document.hidden) return;
              const at = document.activeElement;
              if (at && main.contains(at) && at.matches("input,textarea,select,summary")) return;
              if (String(getSelection()) !== "" || main.querySelector("details[open],.graph.zoomed")) return;
              try {
                const answer = await fetch(location.href, {headers: tag ? {"If-None-Match": tag} : {}, cache: "no-store"});
                if (!answer.ok) { if (answer.status !== 304) wait = Math.min(wait * 2, 60000); return; }
                wait = 5000; tag = answer.headers.get("ETag");
                const page = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
                if (!page || page.innerHTML === main.innerHTML) return;
                const link = at && main.contains(at) && at.getAttribute("href");
                const places = [...main.querySelectorAll(".scroll,.graph")].map((e) => [e.scrollLeft, e.scrollTop]);
                main.innerHTML = page.innerHTML;
                main.querySelectorAll(".scroll,.graph").forEach((e, i) => {
                  if (places[i]) [e.scrollLeft, e.scrollTop] = places[i];
                });
                if (link) for (const a of main.querySelectorAll("a")) {
                  if (a.getAttribute("href") === link) { a.focus({preventScroll: true}); break; }
                }
                start();
              } catch { wait = Math.min(wait * 2, 60000); }
            };
            setTimeout(look, wait);
          }

          // Keys: / search, g then h or d, [ and ] for pages.
          let last = "";
          addEventListener("keydown", (e) => {
            if (field(e) || e.ctrlKey || e.metaKey || e.altKey) return;
            const follow = (a) => { if (a) { e.preventDefault(); location.href = a.getAttribute("href"); } };
            if (e.key === "/") {
              const search = document.querySelector("input[type=search]");
              if (search) { e.preventDefault(); search.focus(); search.select(); }
            } else if (last === "g" && e.key === "h") follow(document.querySelector(".brand"));
            else if (last === "g" && e.key === "d") follow(document.querySelector('.top nav a[href="/dags"]'));
            else if (last === "g" && e.key === "w") follow(document.querySelector('.top nav a[href="/deferred"]'));
            else if (e.key === "[") follow(document.querySelector("a[rel=prev]"));
            else if (e.key === "]") follow(document.querySelector("a[rel=next]"));
            last = e.key;
          });

          // Instants are written in UTC; pointing at one tells the local time.
          addEventListener("mouseover", (e) => {
            const time = e.target.closest && e.target.closest("time[datetime]");
            if (time && !time.title) time.title = new Date(time.dateTime).toLocaleString();
          });

          // Graphs: wheel with Ctrl, or the keys + - 0 and arrows while the picture has the focus.
          const start = () => document.querySelectorAll(".graph").forEach((box) => {
            const svg = box.querySelector("svg");
            if (!svg || box.ready) return;
            box.ready = true;
            const whole = svg.viewBox.baseVal, full = [whole.x, whole.y, whole.width, whole.height];
            let view = full.slice();
            const show = () => {
              const same = view.every((v, i) => v === full[i]);
              box.classList.toggle("zoomed", !same);
              svg.setAttribute("viewBox", view.join(" "));
            };
            const zoom = (by, x = .5, y = .5) => {
              const w = Math.min(full[2] * 2, Math.max(80, view[2] * by)), h = w * view[3] / view[2];
              view = [view[0] + (view[2] - w) * x, view[1] + (view[3] - h) * y, w, h];
              show();
            };
            const move = (x, y) => { view[0] += x * view[2]; view[1] += y * view[3]; show(); };
            const reset = () => { view = full.slice(); show(); };
            const fit = () => {
              svg.removeAttribute("width"); svg.removeAttribute("height");
              svg.style.width = "100%"; svg.style.height = Math.min(innerHeight * .7, full[3] * 1.2) + "px";
            };
            box.addEventListener("wheel", (e) => {
              if (!e.ctrlKey && !box.classList.contains("zoomed")) return;
              e.preventDefault();
              const at = svg.getBoundingClientRect();
              zoom(e.deltaY > 0 ? 1.15 : 1 / 1.15, (e.clientX - at.left) / at.width, (e.clientY - at.top) / at.height);
            }, {passive: false});
            let held = null;
            box.addEventListener("pointerdown", (e) => {
              if (!e.target.closest("a") && box.classList.contains("zoomed")) held = [e.clientX, e.clientY];
            });
            addEventListener("pointerup", () => { held = null; });
            box.addEventListener("pointermove", (e) => {
              if (!held) return;
              const at = svg.getBoundingClientRect();
              move((held[0] - e.clientX) / at.width, (held[1] - e.clientY) / at.height);
              held = [e.clientX, e.clientY];
            });
            box.addEventListener("keydown", (e) => {
              const steps = {ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, -.1], ArrowDown: [0, .1]};
              if (e.key === "+" || e.key === "=") zoom(1 / 1.25);
              else if (e.key === "-") zoom(1.25);
              else if (e.key === "0") reset();
              else if (steps[e.key] && box.classList.contains("zoomed")) move(...steps[e.key]);
              else return;
              e.preventDefault();
            });
            const bar = box.parentElement.querySelector(".zoom");
            if (bar) {
              const acts = {in: () => zoom(1 / 1.25), out: () => zoom(1.25), fit, reset};
              bar.querySelectorAll("button").forEach((b) => b.addEventListener("click", () => acts[b.value]()));
            }
          });
          start();
        })();

        """#
}
