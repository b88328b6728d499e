// SPDX-License-Identifier: Apache-2.0

/// How pages look: colours, letters, the frame. `parts` and `pictures` say the rest.
enum Stylesheet {
    /// Each state has a colour on which, and in which, words can be read (WCAG AA), in light and in dark; and a symbol beside it.
    static let base = #"""
        :root{--bg:#fbfbfc;--panel:#fff;--sunk:#f3f4f6;--line:#dfe2e7;--ink:#1b1f24;--soft:#57606a;--link:#5b3fb0;
        --focus:#5b3fb0;--on:#fff;--shade:rgba(27,31,36,.06);
        --success:#187a36;--failed:#c4232d;--running:#0b6e8a;--deferred:#6f48c9;--queued:#5a6370;--scheduled:#7a5312;
        --up_for_retry:#8a6100;--skipped:#b0307f;--upstream_failed:#b04a08;--none:#6a737d;--removed:#6a737d}
        @media (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;
        --bg:#101317;--panel:#171b21;--sunk:#1d2229;--line:#2d343d;--ink:#e3e7ec;--soft:#9aa5b1;--link:#b7a3f5;
        --focus:#b7a3f5;--on:#0d1013;--shade:rgba(255,255,255,.06);
        --success:#4cc46f;--failed:#ff7b7b;--running:#45c0df;--deferred:#b79bf7;--queued:#a3adb9;--scheduled:#d6ad6b;
        --up_for_retry:#e3b341;--skipped:#f284c4;--upstream_failed:#f59a57;--none:#8d97a3;--removed:#8d97a3}}
        :root[data-theme=dark]{color-scheme:dark;
        --bg:#101317;--panel:#171b21;--sunk:#1d2229;--line:#2d343d;--ink:#e3e7ec;--soft:#9aa5b1;--link:#b7a3f5;
        --focus:#b7a3f5;--on:#0d1013;--shade:rgba(255,255,255,.06);
        --success:#4cc46f;--failed:#ff7b7b;--running:#45c0df;--deferred:#b79bf7;--queued:#a3adb9;--scheduled:#d6ad6b;
        --up_for_retry:#e3b341;--skipped:#f284c4;--upstream_failed:#f59a57;--none:#8d97a3;--removed:#8d97a3}
        :root[data-theme=light]{color-scheme:light}
        *{box-sizing:border-box}
        html{font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
        background:var(--bg);color:var(--ink);-webkit-text-size-adjust:100%;overflow-y:scroll}
        body{margin:0}
        a{color:var(--link);text-decoration:none;text-underline-offset:2px}
        a:hover{text-decoration:underline}
        main p a,main dd a,main li a,td a,tbody th a{text-decoration:underline;
        text-decoration-color:color-mix(in srgb,currentColor 45%,transparent)}
        main a.button,main a.tag,main a.m,main nav a,.grid a{text-decoration:none}
        :focus-visible{outline:2px solid var(--focus);outline-offset:2px;border-radius:3px}
        main:focus{outline:none}
        h1{font-size:20px;line-height:1.3;margin:0;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
        h2{font-size:15px;line-height:1.4;margin:28px 0 8px;font-weight:650}
        h3{font-size:14px;margin:16px 0 4px;font-weight:650}
        p{margin:0 0 10px;max-width:76ch}
        code,pre,.mono,time{font-family:ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
        font-size:12.5px}
        time,.num{font-variant-numeric:tabular-nums}
        pre{background:var(--sunk);border:1px solid var(--line);border-radius:6px;padding:10px 12px;overflow:auto;
        margin:0 0 12px;white-space:pre-wrap;overflow-wrap:anywhere;max-height:60vh}
        td pre{min-width:28ch}
        .src{max-height:80vh;padding:8px 0}
        .ln{display:block;padding:0 12px 0 0;tab-size:4}
        .ln::before{content:attr(data-n);display:inline-block;width:6ch;margin-right:2ch;text-align:right;color:var(--soft)}
        .ln.two::before{width:11ch;white-space:pre}
        .ln:target,.ln.add{background:color-mix(in srgb,var(--success) 16%,transparent)}
        .ln.del{background:color-mix(in srgb,var(--failed) 16%,transparent)}
        .vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
        .skip{position:absolute;left:8px;top:-60px;background:var(--panel);padding:8px 12px;z-index:3;
        border:1px solid var(--line);border-radius:0 0 6px 6px}
        .skip:focus{top:0}
        .top{display:flex;align-items:center;gap:4px 20px;flex-wrap:wrap;padding:0 20px;min-height:48px;
        background:var(--panel);border-bottom:1px solid var(--line)}
        .brand{font-weight:700;color:var(--ink);font-size:16px;letter-spacing:-.01em}
        .top nav{flex:1 1 auto;min-width:0}
        .top nav ul{display:flex;flex-wrap:wrap;list-style:none;margin:0;padding:0;gap:0 2px}
        .top nav a{display:block;padding:13px 10px 11px;color:var(--soft);border-bottom:2px solid transparent}
        .top nav a:hover{color:var(--ink);text-decoration:none}
        .top nav a[aria-current]{color:var(--ink);border-color:var(--link);font-weight:600}
        .tools{display:flex;gap:14px;align-items:center;color:var(--soft);font-size:13px}
        .tools a{color:var(--soft)}
        main{padding:16px 20px 64px;max-width:1680px;margin:0 auto}
        .trail ol{display:flex;flex-wrap:wrap;list-style:none;margin:0 0 2px;padding:0;font-size:13px}
        .trail li{overflow-wrap:anywhere}
        .trail li+li::before{content:"/";color:var(--soft);margin:0 7px}
        .head{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;margin:0 0 12px;min-height:32px}
        .head>h1+*{margin-left:auto}
        .tabs ul{display:flex;list-style:none;margin:0 0 16px;padding:0;border-bottom:1px solid var(--line);overflow-x:auto}
        .tabs a{display:block;padding:7px 12px 6px;color:var(--soft);border-bottom:2px solid transparent;white-space:nowrap}
        .tabs a:hover{color:var(--ink);text-decoration:none}
        .tabs a[aria-current]{color:var(--ink);border-color:var(--link);font-weight:600}
        .flash{background:var(--sunk);border:1px solid var(--line);border-left:3px solid var(--success);
        border-radius:6px;padding:8px 12px;max-width:none}
        .flash[role=alert]{border-left-color:var(--failed)}
        .lead{font-size:15px}
        .said{white-space:pre-wrap;overflow-wrap:anywhere}
        .soft{color:var(--soft)}

        """#

    /// Tables, forms, marks.
    static let parts = #"""
        .scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;background:var(--panel);margin:0 0 12px}
        table{border-collapse:collapse;width:100%}
        caption{text-align:left;padding:8px 12px;color:var(--soft);font-size:13px}
        th,td{text-align:left;padding:6px 12px;border-top:1px solid var(--line);vertical-align:baseline}
        thead th{border-top:0;color:var(--soft);font-weight:500;font-size:12.5px;white-space:nowrap}
        caption+thead th{border-top:1px solid var(--line)}
        tbody th{font-weight:500}
        tbody tr:hover{background:var(--shade)}
        td.num,th.num{text-align:right}
        td.tight,th.tight{white-space:nowrap;width:1%}
        .wrap{overflow-wrap:anywhere}
        .tag{display:inline-block;font-size:12px;line-height:18px;padding:0 7px;border:1px solid var(--line);border-radius:10px;
        color:var(--soft);white-space:nowrap}
        a.tag[aria-current]{background:var(--link);border-color:var(--link);color:var(--on)}
        .st{display:inline-flex;align-items:center;gap:5px;white-space:nowrap;color:var(--c);font-weight:500}
        .st>i,.m{font-style:normal;display:inline-flex;align-items:center;justify-content:center;width:16px;height:16px;
        border-radius:4px;background:var(--c);color:var(--on);font-size:11px;line-height:1;flex:none;font-weight:700;
        font-family:"DejaVu Sans","Segoe UI Symbol","Noto Sans Symbols 2",sans-serif}
        .success{--c:var(--success)}.failed{--c:var(--failed)}.running{--c:var(--running)}.deferred{--c:var(--deferred)}
        .queued{--c:var(--queued)}.scheduled{--c:var(--scheduled)}.up_for_retry{--c:var(--up_for_retry)}
        .skipped{--c:var(--skipped)}.upstream_failed{--c:var(--upstream_failed)}.none{--c:var(--none)}
        .removed{--c:var(--removed)}
        .none>i,.m.none{background:transparent;color:var(--none);box-shadow:inset 0 0 0 1px var(--none)}
        .marks{display:flex;gap:3px}
        .marks a:hover{text-decoration:none;outline:2px solid var(--line);border-radius:4px}
        .legend{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:12.5px;margin:0 0 10px;padding:0;list-style:none}
        button,.button,input,select,textarea{font:inherit;color:inherit}
        button,.button{display:inline-block;background:var(--panel);border:1px solid var(--line);border-radius:6px;
        padding:4px 12px;cursor:pointer;white-space:nowrap;color:var(--ink)}
        button:hover,.button:hover{background:var(--sunk);text-decoration:none}
        button.main,.button.main{background:var(--link);border-color:var(--link);color:var(--on);font-weight:600}
        button.main:hover{filter:brightness(1.08)}
        button.risk{color:var(--failed);border-color:var(--failed)}
        button.quiet{border-color:transparent;background:transparent;color:var(--link);padding:0 6px;line-height:20px}
        input[type=text],input[type=search],input[type=number],input[type=password],select,textarea{background:var(--panel);
        border:1px solid var(--line);border-radius:6px;padding:4px 8px;min-height:30px;max-width:100%}
        textarea{width:100%;min-height:64px;font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12.5px}
        form.inline{display:inline}
        .row{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin:0 0 12px}
        .row .grow{flex:1 1 220px;max-width:420px}
        .fields{max-width:640px;display:grid;gap:14px;margin:0 0 16px}
        .field label,.field legend{font-weight:600;display:block;padding:0}
        .field input[type=text],.field input[type=number],.field input[type=password],.field select{width:100%}
        .field .hint{color:var(--soft);font-size:13px;margin:0}
        .field .fault{color:var(--failed);margin:2px 0 0;font-weight:500}
        .field .fault::before{content:"✕ "}
        fieldset{border:0;margin:0;padding:0;min-width:0}
        .facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:4px 16px;margin:0 0 16px}
        @media (min-width:1100px){.facts.pair{grid-template-columns:repeat(2,max-content minmax(0,1fr))}}
        .facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:10px;margin:0 0 16px;padding:0;
        list-style:none}
        .card{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:10px 14px}
        .card .m,.legend .m{vertical-align:text-bottom;margin-right:3px}
        .card .big{display:block;font-size:24px;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums;
        color:var(--ink)}
        .two{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 24px}
        .two h2{margin-top:16px}.plot+p{margin-top:6px}details{margin-top:10px}
        .acts{display:flex;gap:0 6px;align-items:baseline}
        .pager{display:flex;gap:8px;align-items:center;margin:8px 0;color:var(--soft)}
        .empty{color:var(--soft);padding:24px 12px;text-align:center;border:1px dashed var(--line);border-radius:8px;
        max-width:none}
        details>summary{cursor:pointer;color:var(--link)}
        .box{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px 14px;margin:0 0 12px}
        @media (max-width:820px){.two{grid-template-columns:minmax(0,1fr)}main{padding:14px 14px 56px}.top{padding:0 14px}
        .mid{display:none}}
        @media (max-width:560px){.wide{display:none}.top{gap:0 12px;padding-top:6px}.top nav{order:3;flex-basis:100%}
        .top nav ul{flex-wrap:nowrap;overflow-x:auto}.top nav a{padding:8px 9px 7px;white-space:nowrap}
        .tools{margin-left:auto}th,td{padding:6px 8px}.facts{grid-template-columns:minmax(0,1fr);gap:0}
        .facts dd{margin:0 0 6px}.head>h1+*{margin-left:0}
        th.wrap{min-width:112px}td.wrap{min-width:96px}.marks a:nth-last-child(n+6){display:none}.acts{flex-direction:column}
        .plot text{font-size:19px}}
        @media (prefers-reduced-motion:no-preference){.fresh{animation:f .6s}}
        @keyframes f{from{opacity:.6}}
        @media print{.top,.tools,form,.pager{display:none}}

        """#

    /// The grid, the graph, the gantt chart, the calendar, plots.
    static let pictures = #"""
        .plot{display:block;width:100%;height:auto;max-height:190px;background:var(--panel);border:1px solid var(--line);
        border-radius:8px}
        svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
        svg .axis{stroke:var(--line);stroke-width:1;fill:none}
        svg rect.success,svg rect.failed,svg rect.running,svg rect.deferred,svg rect.queued,svg rect.scheduled,
        svg rect.up_for_retry,svg rect.skipped,svg rect.upstream_failed,svg rect.none,svg rect.removed{fill:var(--c)}
        .scroll.fit{width:fit-content;max-width:100%;direction:rtl}.scroll.fit>table{direction:ltr}
        .grid{width:auto}
        .grid td,.grid th{padding:2px 2px;border:0;vertical-align:middle}
        .grid thead th{vertical-align:bottom;text-align:center;padding-bottom:4px}
        .grid thead th:first-child{position:sticky;left:0;background:var(--panel);z-index:1}
        .grid tbody th{padding:2px 14px 2px 12px;font-weight:400;white-space:nowrap;position:sticky;left:0;
        background:var(--panel);max-width:320px;overflow:hidden;text-overflow:ellipsis}
        .grid tbody tr:hover th{background:var(--sunk)}
        .grid .m{width:18px;height:18px}
        .grid td{text-align:center;font-size:11px;line-height:18px;min-width:22px}
        .grid td:last-child,.grid thead th:last-child{padding-right:12px}
        .grid .g{font-weight:600}
        .grid .d1{padding-left:26px}.grid .d2{padding-left:40px}.grid .d3{padding-left:54px}.grid .d4{padding-left:68px}
        .grid .n{color:var(--c);font-weight:600;padding:0 3px;font-variant-numeric:tabular-nums}
        .bar{display:block;width:18px;margin:0 auto 3px;background:transparent}
        .bar rect{fill:var(--c)}
        .graph{border:1px solid var(--line);border-radius:8px;background:var(--panel);overflow:auto;max-height:74vh;
        overscroll-behavior:contain;margin:0 0 10px}
        .graph svg{display:block;max-width:none}
        .graph.zoomed{overflow:hidden}
        .graph .edge{fill:none;stroke:var(--soft);stroke-width:1.2;opacity:.75}
        .graph .branch{stroke-dasharray:4 3}
        .graph .tip{fill:var(--soft)}
        .graph .node rect{fill:var(--panel);stroke:var(--c,var(--soft));stroke-width:1.4}
        .graph .node rect.fill{fill:var(--c,var(--soft));stroke:none}
        .graph .node text{fill:var(--ink);font-size:12.5px}
        .graph .node text.sub{fill:var(--c,var(--soft));font-size:11px}
        .graph .node text.sym{fill:var(--on);font:700 11px "DejaVu Sans","Segoe UI Symbol",sans-serif}
        .graph a:focus-visible rect,.graph a:hover rect{stroke-width:2.6}
        .zoom{display:flex;gap:6px;margin:0 0 8px;align-items:center}
        @media (scripting:none){.zoom{display:none}}
        .gantt{width:100%;min-width:640px}
        .gantt td{padding:2px 12px;vertical-align:middle}
        .gantt th{max-width:260px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
        .gantt svg{display:block;width:100%;height:16px;min-width:300px}
        .gantt .wait{fill:var(--deferred);opacity:.45}
        .cal{display:block;min-width:760px;width:100%;max-width:1000px}
        .cal text.sym{fill:var(--on);font-size:9px;font-weight:700}
        .cal rect.day{stroke:var(--panel);stroke-width:1}
        .cal rect.day.void{fill:var(--sunk)}
        .cal rect.mix{fill:var(--failed)}
        .more{color:var(--soft);font-size:12.5px}
        """#
}
