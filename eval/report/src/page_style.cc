#include "page_style.h"

namespace leadline::eval {

const std::string_view kPageStyle = R"(
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2530;--soft:#5d6b7a;--line:#d9dfe6;--card:#f5f7f9;
--bar:#2f7f9f;--whisker:#0d3c4f;--accent:#b4531a;--good:#1e7d46;--bad:#b3261e;--warn:#fff4e0}
@media(prefers-color-scheme:dark){:root{--bg:#12171d;--fg:#e3e8ee;--soft:#97a4b2;--line:#2c3640;
--card:#1a2129;--bar:#4aa3c4;--whisker:#d7eef7;--accent:#f0a063;--good:#63c98b;--bad:#f28b82;
--warn:#33280f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:24px 20px 80px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 8px}
p{margin:4px 0}.soft{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:10px;margin:18px 0}
.tile{background:var(--card);border-radius:8px;padding:10px 14px}
.tile b{display:block;font-size:21px;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}
.warning{background:var(--warn);border-radius:6px;padding:8px 12px;margin:6px 0}
svg{width:100%;max-width:860px;height:auto;display:block}
svg text{font:12px system-ui,sans-serif;fill:var(--fg)}
svg .soft{fill:var(--soft)}svg .small{font-size:11px}svg .strong{font-weight:600}
svg .end{text-anchor:end}svg .middle{text-anchor:middle}
svg .grid{stroke:var(--line);stroke-width:1}svg .axis{stroke:var(--soft);stroke-width:1}
svg .bar{fill:var(--bar)}svg .whisker{stroke:var(--whisker);stroke-width:1.5}
svg .marker{stroke:var(--accent);stroke-width:1.5;stroke-dasharray:4 3}
svg .mark{fill:var(--accent);font-weight:600}
svg .curve{fill:none;stroke:var(--bar);stroke-width:2}svg .dot{fill:var(--bar)}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:6px 8px;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}
th{font-weight:600;color:var(--soft)}th[data-sort]{cursor:pointer;white-space:nowrap}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
#queries td:first-child{min-width:72px}#queries td:nth-child(2){width:60%}
summary{cursor:pointer}
ol{margin:8px 0;padding-left:26px}li{margin:3px 0}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.badge{border-radius:4px;padding:0 6px;font-size:12px;border:1px solid var(--line);
color:var(--soft);white-space:nowrap}
.badge.relevant{color:var(--good);border-color:var(--good)}
.badge.missed{color:var(--bad);border-color:var(--bad)}
input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);
border-radius:6px;padding:6px 10px;width:100%;max-width:380px;margin:6px 0 10px}
)";

const std::string_view kPageScript = R"(
const body=document.querySelector('#queries tbody');
const box=document.querySelector('#find');
if(body&&box){
box.hidden=false;
box.addEventListener('input',()=>{const word=box.value.toLowerCase();
for(const row of body.rows)row.hidden=!row.textContent.toLowerCase().includes(word)});
document.querySelectorAll('#queries th[data-sort]').forEach(head=>{let down=false;
head.addEventListener('click',()=>{const column=head.cellIndex;down=!down;
const key=row=>{const text=row.cells[column].dataset.value??row.cells[column].textContent;
const number=Number(text);return text!==''&&!Number.isNaN(number)?number:text};
[...body.rows].sort((a,b)=>{const x=key(a),y=key(b);
const order=typeof x===typeof y?(x<y?-1:x>y?1:0):(typeof x==='string'?-1:1);
return down?-order:order}).forEach(row=>body.append(row))})})}
)";

}  // namespace leadline::eval
