// The style sheet of report.html. Text contrast is at least 4.5:1 in both schemes; Okabe-Ito colours for
// categories.
#pragma once

namespace fqlab::report {

inline constexpr char kStyleSheet[] = R"css(
:root{color-scheme:light dark;--page:#fff;--card:#f6f7f9;--line:#d5dae0;--ink:#1b1f24;--soft:#525b66;--link:#00527f;
--good:#00583f;--good-bg:#e0f3ec;--bad:#8a2c00;--bad-bg:#fdebe0;--open:#634700;--open-bg:#fbf1cf;--null:#40464e;--null-bg:#e8ebee;
--worse:#d55e00;--better:#0072b2;--point:#0072b2;--aa:#9a5b00;--interval:#0072b233;--floor:#8a929c44;--mark:#fbf1cf;
--s0:#0072b2;--s1:#d55e00;--s2:#00795a;--s3:#a8457f}
@media (prefers-color-scheme:dark){:root{--page:#14171a;--card:#1d2125;--line:#3a4149;--ink:#e8eaed;--soft:#aab3bd;--link:#7cc4ee;
--good:#7fe0bf;--good-bg:#0d3328;--bad:#ffb48a;--bad-bg:#43210d;--open:#f2d675;--open-bg:#3a2f08;--null:#c9d0d8;--null-bg:#2c3238;
--worse:#f08a3c;--better:#56b4e9;--point:#56b4e9;--aa:#e69f00;--interval:#56b4e944;--floor:#aab3bd33;--mark:#4a3c08;
--s0:#56b4e9;--s1:#f08a3c;--s2:#3fcf9f;--s3:#e39ac4}}
*{box-sizing:border-box}
html{font:16px/1.6 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans TC","Noto Sans CJK TC","PingFang TC","Microsoft JhengHei",sans-serif}
body{margin:0;background:var(--page);color:var(--ink)}
main,header,footer{max-width:80rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2rem}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 .75rem;overflow-wrap:anywhere}
h2{font-size:1.35rem;line-height:1.3;margin:2.75rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--line);overflow-wrap:anywhere}
h3{font-size:1.1rem;margin:1.75rem 0 .5rem;overflow-wrap:anywhere}
h4{font-size:1rem;margin:1.25rem 0 .4rem}
p,ul{margin:.75rem 0;max-width:46rem}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--page);padding:.5rem}
nav ol{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;list-style:none;margin:0;padding:0;font-size:.92rem}
nav a{display:inline-block;padding:.15rem 0;overflow-wrap:anywhere}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Noto Sans Mono",monospace;font-size:.9em}
code{background:var(--card);padding:.05em .3em;border-radius:4px;overflow-wrap:anywhere}
p code,li code,.tiny{white-space:nowrap}code.long{white-space:normal}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;overflow-x:auto;white-space:pre}
.callout{border-left:.35rem solid var(--null);background:var(--null-bg);border-radius:0 8px 8px 0;padding:.8rem 1.1rem;margin:1rem 0;max-width:none}
.callout p{margin:0;max-width:50rem}
.callout.verdict p{font-size:1.1rem}
.different{border-color:var(--bad);background:var(--bad-bg)}.equivalent,.identical{border-color:var(--good);background:var(--good-bg)}
.inconclusive,.warning{border-color:var(--open);background:var(--open-bg)}.vacuous{border-color:var(--null);background:var(--null-bg)}
.callout code{background:none;padding:0}
.badge{display:inline-block;white-space:nowrap;border-radius:999px;padding:0 .6em;font-weight:600;font-size:.92em}
.badge.different{color:var(--bad)}.badge.equivalent,.badge.identical{color:var(--good)}.badge.inconclusive{color:var(--open)}.badge.vacuous{color:var(--null)}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.92rem;min-width:min(100%,24rem)}
caption{text-align:left;font-weight:600;padding:.2rem 0 .4rem}
th,td{padding:.38rem .8rem .38rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom}
thead th{word-break:keep-all;min-width:4.5rem}
tbody th{font-weight:400;min-width:9rem}
.n{text-align:right;font-variant-numeric:tabular-nums;padding-left:.8rem}
td.n{white-space:nowrap}
td code,th code{white-space:nowrap}code.hash{white-space:normal;word-break:break-all}
figure{margin:1.5rem 0}figure>.scroll{margin:.4rem 0 0}
figcaption{font-weight:600;margin-bottom:.3rem;max-width:46rem}
svg{display:block;width:100%;max-width:44rem;height:auto}
svg text{fill:var(--ink);font-size:12px}svg .tick,svg .note{fill:var(--soft);font-size:11px}
svg .grid{stroke:var(--line);stroke-width:1}svg .axis{stroke:var(--soft);stroke-width:1}
svg .zero{stroke:var(--ink);stroke-width:1.5}svg .mean{stroke:var(--better);stroke-width:1.5}
svg .margin{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 4}svg .interval{fill:var(--interval)}
svg .worse{fill:var(--worse)}svg .better{fill:var(--better)}svg .neutral{fill:var(--soft)}
svg .floor{fill:var(--floor)}svg .floor-edge{stroke:var(--soft);stroke-width:1}
svg .point{fill:var(--point);stroke:var(--page);stroke-width:1}svg .aa{fill:var(--aa);stroke:var(--page);stroke-width:1}
svg .cell-none{fill:none;stroke:var(--line)}svg .on-dark{fill:#fff;font-size:11px}svg .on-light{fill:#111;font-size:11px}
svg .before{fill:var(--floor)}svg .after{fill:none;stroke:var(--worse);stroke-width:1.2}svg .level{stroke:var(--soft);stroke-width:1}
svg .whisker{stroke:var(--point);stroke-width:2.5}svg .curve{fill:none;stroke:var(--point);stroke-width:2}svg .bar{stroke:var(--soft);stroke-width:.6}
svg .hatch{stroke:var(--soft);stroke-width:.8;opacity:.55}svg .hollow{fill:var(--page);stroke:var(--point);stroke-width:1.8}
svg .strong{font-weight:700}svg .trace{fill:none;stroke-width:1.8}svg .faint{stroke:var(--soft);stroke-width:1;fill:none}
svg .s0{stroke:var(--s0)}svg .s1{stroke:var(--s1);stroke-dasharray:7 3}svg .s2{stroke:var(--s2);stroke-dasharray:2 3}svg .s3{stroke:var(--s3);stroke-dasharray:9 3 2 3}
svg .m0,svg .m1,svg .m2,svg .m3{stroke:var(--page);stroke-width:.8}svg .m0{fill:var(--s0)}svg .m1{fill:var(--s1)}svg .m2{fill:var(--s2)}svg .m3{fill:var(--s3)}
svg .h0,svg .h1,svg .h2,svg .h3{fill:var(--page);stroke-width:1.5}svg .h0{stroke:var(--s0)}svg .h1{stroke:var(--s1)}svg .h2{stroke:var(--s2)}svg .h3{stroke:var(--s3)}
details{margin:.4rem 0 0}summary{cursor:pointer;color:var(--link);width:fit-content}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:1rem;margin:.75rem 0}
.pair>div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.7rem 1rem}
.pair p{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0 0}
.pair .who{color:var(--soft);font-weight:600;font-size:.9rem;margin:0}
mark{background:var(--mark);color:inherit;text-decoration:underline;text-decoration-thickness:2px;text-underline-offset:3px}
mark::before{content:"\27E6"}mark::after{content:"\27E7"}
@media screen and (max-width:40rem){html{font-size:15px}.wide,.wide tbody,.wide tr,.wide td,.wide th,.wide caption{display:block}
.wide thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}.wide tr{border-bottom:1px solid var(--line);padding:.45rem 0}
.wide th,.wide td,.wide td.n{border:0;padding:.08rem 0;text-align:left}.wide tbody th{font-weight:600}
.wide td{display:flex;gap:1rem;justify-content:space-between}.wide td.n{text-align:right;padding-left:0}.wide td::before{content:attr(data-label);color:var(--soft);text-align:left;flex:1 1 5rem;white-space:normal}
.wide td.none{display:none}tbody th{min-width:6rem}td code{white-space:normal;overflow-wrap:anywhere}svg text{font-size:17px}svg .tick,svg .note{font-size:16px}
svg.dense{min-width:34rem}svg.dense text{font-size:12px}svg.dense .tick{font-size:11px}}
footer{color:var(--soft);font-size:.9rem;padding-top:2rem;padding-bottom:3rem}
@media print{:root{color-scheme:light}html{font-size:10.5pt}main,header,footer{max-width:none;padding:0}nav,.skip{display:none}
h2,h3,h4{break-after:avoid}figure,tr,.callout,.pair>div{break-inside:avoid}.scroll{overflow:visible}svg{max-width:15cm}
pre{white-space:pre-wrap;overflow-wrap:anywhere}td.n{white-space:normal}a{color:inherit;text-decoration:none}
.callout,.badge,mark,svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

}  // namespace fqlab::report
