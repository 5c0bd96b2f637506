"""List opposite words, in English and Chinese."""

from itertools import combinations

_PAIRS = """
up/down in/out on/off onto/off into/out over/under above/below near/far close/far before/after left/right
front/behind inside/outside indoor/outdoor indoors/outdoors forward/backward toward/away north/south east/west
top/bottom big/small large/small huge/small huge/tiny large/tiny big/little large/little long/short tall/short
high/low wide/narrow thick/thin heavy/light deep/shallow fast/slow quickly/slowly rapidly/slowly loud/quiet
loudly/quietly noisy/quiet hot/cold warm/cold warm/cool wet/dry clean/dirty full/empty open/close opened/closed
opening/closing open/shut new/old young/old early/late first/last always/never often/rarely more/less most/least
many/few all/none everybody/nobody someone/nobody everything/nothing good/bad better/worse best/worst right/wrong
true/false same/different easy/hard easy/difficult hard/soft rough/smooth sharp/dull bright/dark light/dark
black/white day/night morning/evening man/woman men/women boy/girl male/female father/mother son/daughter
brother/sister king/queen husband/wife he/she buy/sell buying/selling bought/sold give/take giving/taking gave/took
lend/borrow send/receive push/pull pushing/pulling start/stop starting/stopping begin/end win/lose winning/losing
won/lost enter/leave entering/leaving arrive/depart come/go rise/fall rising/falling increase/decrease
increasing/decreasing add/remove adding/removing enable/disable enabled/disabled allow/forbid allowed/forbidden
accept/reject accepted/rejected pass/fail passed/failed love/hate like/dislike laugh/cry laughing/crying smile/frown
smiling/frowning wake/sleep awake/asleep alive/dead live/die fold/unfold folding/unfolding lock/unlock tie/untie
wrap/unwrap load/unload connect/disconnect install/uninstall dress/undress fill/empty filling/emptying
cleaning/dirtying lift/drop lifting/dropping raise/lower raising/lowering climb/descend climbing/descending sit/stand
sitting/standing stand/lie standing/lying sitting/lying run/walk running/walking running/standing rest/run
resting/running follow/lead follow/avoid attack/defend reveal/conceal revealing/concealing show/hide showing/hiding
build/destroy mend/break fix/break repair/damage heat/cool heating/cooling freeze/melt with/without success/failure
safe/dangerous possible/impossible legal/illegal public/private internal/external minimum/maximum min/max
require/optional required/optional mandatory/optional happy/sad friend/enemy rich/poor strong/weak cheap/expensive
peacefully/violently calm/angry import/export upload/download encrypt/decrypt debit/credit deposit/withdraw
deposit/withdrawal online/offline grant/revoke approve/reject approved/rejected accept/decline accepted/declined
grant/deny granted/denied include/exclude included/excluded attach/detach mount/unmount login/logout
ascending/descending profit/loss income/expense revenue/cost plaintiff/defendant employer/employee landlord/tenant
buyer/seller lender/borrower sender/recipient sender/receiver teacher/student doctor/patient host/guest client/server
input/output read/write encode/decode upward/downward valid/invalid visible/invisible complete/incomplete
correct/incorrect active/inactive secure/insecure direct/indirect sufficient/insufficient dependent/independent
agree/disagree agreed/disagreed appear/disappear able/unable until/after positive/negative plus/minus remember/forget
succeed/fail present/absent before/since departure/arrival entrance/exit confirm/cancel confirmed/cancelled win/loss
true/untrue hire/fire hired/fired expand/shrink grow/shrink upgrade/downgrade subscribe/unsubscribe publish/unpublish
like/unlike activate/deactivate activated/deactivated increase/reduce increased/reduced strengthen/weaken gain/lose
gained/lost supporter/opponent support/oppose for/against 上/下 左/右 大/小 多/少 高/低 高/矮 长/短 新/旧 快/慢 冷/热
冷/暖 开/关 进/出 买/卖 借/还 前/后 内/外 里/外 增/减 升/降 男/女 早/晚 胜/负 输/赢 真/假 好/坏 黑/白 有/无 东/西
南/北 远/近 深/浅 轻/重 软/硬 干/湿 明/暗 推/拉 来/去 始/终 生/死 老/少 贵/贱 强/弱 富/贫 哭/笑 爱/恨 攻/守 昼/夜
日/夜 宽/窄 厚/薄 粗/细 涨/跌 加/减 正/反 阴/晴 起/落 收/发 允/禁 甲/乙 存/取 盈/亏 成/败 赞/反 同/拒 租/售 原/被
喜/厌 主/客 公/私 优/劣 动/静 升/跌 祸/福 雇/佣 支/反 批/驳 启/停 装/卸
"""
_MORE = """
rose/fell rose/dropped grew/fell grew/shrank rise/drop rises/falls rising/dropping increase/drop increased/dropped
increased/fell all/some all/few all/most most/few some/none most/none everyone/nobody once/twice daily/weekly
daily/monthly daily/yearly daily/annually daily/hourly daily/quarterly hourly/weekly weekly/monthly weekly/yearly
weekly/annually weekly/quarterly monthly/yearly monthly/annually monthly/quarterly quarterly/yearly quarterly/annually
quarterly/annual monthly/annual weekly/annual daily/annual always/sometimes always/seldom always/rarely
permanent/temporary debtor/creditor lessee/lessor mandatory/voluntary compulsory/voluntary inhale/exhale supply/demand
upper/lower former/current greater/less longer/shorter larger/smaller higher/lower later/earlier older/younger
faster/slower maximal/minimal maximally/minimally </> ≤/≥ </≥ ≤/> </≤ >/≥
both/only both/either both/neither both/one all/only every/only everyone/only every/some and/or tablet/capsule
inclusive/exclusive inner/outer odd/even row/column vertical/horizontal vertically/horizontally clockwise/anticlockwise
clockwise/counterclockwise head/tail get/set push/pop insert/delete create/delete create/destroy append/prepend
break/continue production/staging development/production define/undef ifdef/ifndef parent/child ceil/floor
maximise/minimise maximize/minimize noon/midnight sunrise/sunset dawn/dusk singular/plural asc/desc sync/async
qd/bid qd/tid qd/qid qd/qod bid/tid bid/qid tid/qid po/iv po/im po/sc iv/im iv/sc bc/ad bce/ce ie/eg
rising/setting guilty/innocent synchronous/asynchronous prefix/suffix
每天/每周 每天/每月 每天/每年 每日/每周 每日/每月 每日/每年 每周/每月 每周/每年 每月/每年 员工/雇主 雇员/雇主 全部/部分
所有/部分 所有/少数 永久/临时 债务/债权 房东/租客 必须/可选 上午/下午 最早/最晚 至少/至多 至少/最多 最少/最多
都/只 全/只 全都/只有 都/仅 和/或 与/或 及/或 且/或 并且/或者 之前/之后 以前/以后
以上/以下 最大/最小 最高/最低 药片/胶囊 片剂/胶囊 正午/午夜
1st/last 1st/final only/also adult/child adults/children morning/night must/may weekday/weekend weekdays/weekends
tablespoon/teaspoon tablespoons/teaspoons doubled/halved doubles/halves mr/mrs mr/ms eastern/western northern/southern
largest/smallest biggest/smallest longest/shortest highest/lowest failed/succeeded passed/failed until/from
one/2 one/3 one/4 one/5 one/6 one/7 one/8 one/9 one/10
打开/关闭 打开/关上 开启/关闭 启用/停用 启用/禁用 开门/关门 开始/结束 开始/停止 增加/减少 提高/降低 上升/下降
上涨/下跌 进入/离开 接受/拒绝 批准/拒绝 同意/反对 支持/反对 赞成/反对 成功/失败 出发/到达 入口/出口 进口/出口
出租/承租 房东/房客 房东/租户 雇主/员工 老师/学生 教师/学生 医生/病人 医生/患者 医生/护士 原告/被告 供应商/客户
父亲/母亲 儿子/女儿 丈夫/妻子 室内/室外 饭前/饭后 餐前/餐后 白天/夜里 白天/晚上 早上/晚上 顺时针/逆时针 横向/纵向
水平/垂直 奇数/偶数 国内/国外 城市/农村 永远/从不 总是/从不 经常/很少 有效/无效 合法/非法 正确/错误 安全/危险
公开/保密 只/也 只/还 仅/也 所有/有些 所有/一些 全部/一些 全部/有些 大人/孩子 成人/儿童 农历/公历 阴历/阳历 阳性/阴性
通过/驳回 通过/否决 单号/双号 单数/双数 借款人/贷款人 出租人/承租人 双方/单方 上册/下册 月初/月底 年初/年底 收入/支出
借入/借出 有效/失效 包括/除外 大于/小于 超过/不足 哥哥/弟弟 姐姐/妹妹 工作日/周末 公元前/公元 甲/丙 甲/丁 乙/丙 乙/丁
丙/丁
"""
_EITHER = """
today tomorrow yesterday | spring summer autumn winter | breakfast lunch dinner
| january february march april may june july august september october november december
| red orange yellow green blue purple pink brown black white grey
| 今天 明天 昨天 后天 前天 | 今年 去年 明年 | 本周 上周 下周 这周 | 本月 上月 下月 | 上个月 下个月 这个月
| 春天 夏天 秋天 冬天 | 春季 夏季 秋季 冬季 | 早餐 午餐 晚餐 | 早饭 午饭 晚饭
| 红色 橙色 黄色 绿色 蓝色 紫色 粉色 棕色 黑色 白色 灰色
| 中国 美国 英国 法国 德国 日本 韩国 俄罗斯 印度 意大利 西班牙 葡萄牙 荷兰 加拿大 澳大利亚 巴西 墨西哥 埃及 泰国 越南
| 北京 上海 天津 重庆 广州 深圳 杭州 南京 苏州 武汉 成都 西安 长沙 郑州 济南 青岛 沈阳 大连 哈尔滨 长春 昆明 贵阳 南宁
厦门 福州 南昌 合肥 太原 兰州 西宁 银川 拉萨 海口 香港 澳门 台北 伦敦 巴黎 柏林 汉堡 慕尼黑 法兰克福 马德里 巴塞罗那
里斯本 罗马 米兰 维也纳 苏黎世 日内瓦 鹿特丹 阿姆斯特丹 布鲁塞尔 莫斯科 东京 大阪 首尔 曼谷 新加坡 纽约 洛杉矶 芝加哥
旧金山 波士顿 华盛顿 多伦多 温哥华 悉尼 墨尔本
| 长江 黄河 珠江 淮河 松花江
| 江苏 浙江 安徽 福建 江西 山东 河南 河北 湖北 湖南 广东 广西 四川 贵州 云南 陕西 山西 辽宁 吉林 黑龙江 甘肃 青海
"""
"""Words of one kind, of which a statement has one: another one says something else. A bar ends a kind."""
OPPOSITE: dict[str, set[str]] = {}
"""The opposites of each word."""
for _one, _other in (_pair.split("/") for _pair in _PAIRS.split()):
    OPPOSITE.setdefault(_one, set()).add(_other)
    OPPOSITE.setdefault(_other, set()).add(_one)
CONTRASTS = {word: set(others) for word, others in OPPOSITE.items()}
"""The same with more words. These are not among the opposites, which the trained classifiers count."""
for _one, _other in [
    *(_pair.split("/") for _pair in _MORE.split()),
    *(_pair for _kind in _EITHER.split("|") for _pair in combinations(_kind.split(), 2)),
]:
    CONTRASTS.setdefault(_one, set()).add(_other)
    CONTRASTS.setdefault(_other, set()).add(_one)
TERMS = tuple(
    sorted((word for word in CONTRASTS if len(word) > 1 and not word.isascii()), key=len, reverse=True)
)
"""Those that are longer than a token, the longest first."""
