"""List opposite words, and ways to demand, allow and report, in English and Chinese."""

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
avoid/recommend avoids/recommends contradict/support contradicts/supports contradicted/supported confirm/refute
confirms/refutes confirmed/refuted missing/present 大多数/全部 大多数/所有 多数/全部 多数/所有 每/个别 每/少数 便宜/贵
便宜/昂贵 推荐/避免 rose/fell rose/dropped grew/fell grew/shrank rise/drop rises/falls rising/dropping increase/drop
increased/dropped increased/fell all/some all/few all/most most/few some/none most/none everyone/nobody once/twice
daily/weekly daily/monthly daily/yearly daily/annually daily/hourly daily/quarterly hourly/weekly weekly/monthly
weekly/yearly weekly/annually weekly/quarterly monthly/yearly monthly/annually monthly/quarterly quarterly/yearly
quarterly/annually quarterly/annual monthly/annual weekly/annual daily/annual always/sometimes always/seldom
always/rarely permanent/temporary debtor/creditor lessee/lessor mandatory/voluntary compulsory/voluntary inhale/exhale
supply/demand upper/lower former/current greater/less longer/shorter larger/smaller higher/lower later/earlier
older/younger faster/slower maximal/minimal maximally/minimally </> ≤/≥ </≥ ≤/> </≤ >/≥ both/only both/either
both/neither both/one all/only every/only everyone/only every/some and/or tablet/capsule inclusive/exclusive
inner/outer odd/even row/column vertical/horizontal vertically/horizontally clockwise/anticlockwise
clockwise/counterclockwise head/tail get/set push/pop insert/delete create/delete create/destroy append/prepend
break/continue production/staging development/production define/undef ifdef/ifndef parent/child ceil/floor
maximise/minimise maximize/minimize noon/midnight sunrise/sunset dawn/dusk singular/plural asc/desc sync/async qd/bid
qd/tid qd/qid qd/qod bid/tid bid/qid tid/qid po/iv po/im po/sc iv/im iv/sc bc/ad bce/ce ie/eg rising/setting
guilty/innocent synchronous/asynchronous prefix/suffix 每天/每周 每天/每月 每天/每年 每日/每周 每日/每月 每日/每年
每周/每月 每周/每年 每月/每年 员工/雇主 雇员/雇主 全部/部分 所有/部分 所有/少数 永久/临时 债务/债权 房东/租客
必须/可选 上午/下午 最早/最晚 至少/至多 至少/最多 最少/最多 都/只 全/只 全都/只有 都/仅 和/或 与/或 及/或 且/或
并且/或者 之前/之后 以前/以后 以上/以下 最大/最小 最高/最低 药片/胶囊 片剂/胶囊 正午/午夜 1st/last 1st/final only/also
adult/child adults/children morning/night weekday/weekend weekdays/weekends tablespoon/teaspoon
tablespoons/teaspoons doubled/halved doubles/halves mr/mrs mr/ms eastern/western northern/southern largest/smallest
biggest/smallest longest/shortest highest/lowest failed/succeeded passed/failed until/from one/2 one/3 one/4 one/5
one/6 one/7 one/8 one/9 one/10 tight/loose tighten/loosen tightened/loosened keep/scrap keep/drop keep/remove
keep/cancel keep/delete keep/abandon kept/scrapped kept/dropped kept/removed kept/cancelled kept/deleted
retain/discard retained/discarded save/discard admit/discharge admitted/discharged admit/deny admitted/denied
closer/further closer/farther nearer/further nearer/farther narrow/broad lengthen/shorten lengthened/shortened
extend/shorten extended/shortened extend/end postpone/advance promote/demote promoted/demoted recruit/dismiss
recruited/dismissed employed/dismissed hired/dismissed acquit/convict acquitted/convicted borrowed/lent borrows/lends
boarding/landing ascend/descend ascent/descent inbound/outbound incoming/outgoing domestic/foreign
domestic/international local/remote rural/urban fresh/frozen fresh/stale raw/cooked sweet/sour sweet/bitter mild/spicy
mild/severe acute/chronic benign/malignant oral/topical sink/float sank/floated sinks/floats contract/expand
contracts/expands swell/shrink attract/repel attack/retreat advance/retreat absorb/emit absorb/reflect
transparent/opaque flexible/rigid elastic/rigid fixed/variable constant/variable fixed/floating static/dynamic
manual/automatic manually/automatically wired/wireless single/double single/married portrait/landscape surplus/deficit
asset/liability assets/liabilities gross/net wholesale/retail free/paid hidden/visible shown/hidden expanded/collapsed
expand/collapse merge/split merged/split join/leave joined/left enrol/withdraw enroll/withdraw begin/finish
start/finish started/finished begins/ends starts/ends opens/closes resume/suspend resumed/suspended resume/stop
resumed/cancelled resume/cancel resumed/stopped suspended/reinstated reinstate/suspend hold/release held/released
upstream/downstream upstairs/downstairs uphill/downhill upwind/downwind northbound/southbound eastbound/westbound
leftmost/rightmost acidic/alkaline sunny/rainy sunny/cloudy sunny/foggy dry/rainy dry/humid calm/windy quieter/louder
warmer/colder warmer/cooler hotter/colder heavier/lighter thicker/thinner wider/narrower deeper/shallower
taller/shorter bigger/smaller richer/poorer stronger/weaker cheaper/dearer cheaper/expensive brighter/darker
sooner/later easier/harder drier/wetter safer/riskier cleaner/dirtier softer/harder smoother/rougher newer/older
fewest/most largest/fewest nearest/farthest nearest/furthest youngest/oldest newest/oldest fastest/slowest
cheapest/dearest hottest/coldest lightest/heaviest tallest/shortest strongest/weakest earliest/latest whole/part
entire/part whole/half entire/half all/part full/partial full/half full/part fully/partly fully/partially
completely/partly completely/partially wholly/partly whole/partial any/only each/some everybody/some majority/minority
mostly/rarely usually/rarely usually/seldom often/seldom often/never sometimes/never rarely/always always/occasionally
frequently/rarely generally/rarely several/all several/no some/no all/no every/no each/no planned/completed
planned/done planned/finished scheduled/completed scheduled/finished pending/completed pending/approved
pending/finished proposed/adopted proposed/approved draft/final drafted/signed expected/confirmed tentative/confirmed
winner/loser winners/losers buyer/vendor customer/supplier customers/suppliers client/supplier owner/tenant
owners/tenants donor/recipient payer/payee interviewer/interviewee trainer/trainee mentor/mentee examiner/candidate
author/reviewer caller/callee senior/junior major/minor primary/secondary inferior/superior exterior/interior
lenient/strict optimistic/pessimistic innocent/guilty fertile/barren abundant/scarce rare/common simple/complex
credit/cash card/cash weekday/sunday breakfast/supper more/fewer against/favour against/favor every/least all/least
each/least every/one one/all one/each each/only only/except except/including twice/just twice/half double/half
happy/unhappy pleased/unhappy pleased/disappointed pleased/annoyed pleased/dissatisfied pleased/displeased
satisfied/unhappy satisfied/disappointed delighted/disappointed delighted/unhappy happy/disappointed happy/upset
glad/sad impressed/disappointed relieved/worried confident/doubtful confident/unsure hopeful/pessimistic excited/bored
moist/dry damp/dry humid/dry humid/arid polite/rude friendly/hostile friendly/rude kind/unkind patient/impatient
honest/dishonest praise/criticise praise/criticize praised/criticised praised/criticized won/drew lost/drew
profitable/unprofitable helpful/useless useful/useless harmful/harmless careful/careless hopeless/hopeful
painful/painless 打开/关闭 打开/关上 开启/关闭 启用/停用 启用/禁用 开门/关门 开始/结束 开始/停止 增加/减少 提高/降低
上升/下降 上涨/下跌 进入/离开 接受/拒绝 批准/拒绝 同意/反对 支持/反对 赞成/反对 成功/失败 出发/到达 入口/出口
进口/出口 出租/承租 房东/房客 房东/租户 雇主/员工 老师/学生 教师/学生 医生/病人 医生/患者 医生/护士 原告/被告
供应商/客户 父亲/母亲 儿子/女儿 丈夫/妻子 室内/室外 饭前/饭后 餐前/餐后 白天/夜里 白天/晚上 早上/晚上 顺时针/逆时针
横向/纵向 水平/垂直 奇数/偶数 国内/国外 城市/农村 永远/从不 总是/从不 经常/很少 有效/无效 合法/非法 正确/错误
安全/危险 公开/保密 只/也 只/还 仅/也 所有/有些 所有/一些 全部/一些 全部/有些 大人/孩子 成人/儿童 农历/公历 阴历/阳历
阳性/阴性 通过/驳回 通过/否决 单号/双号 单数/双数 借款人/贷款人 出租人/承租人 双方/单方 上册/下册 月初/月底 年初/年底
收入/支出 借入/借出 有效/失效 包括/除外 大于/小于 超过/不足 哥哥/弟弟 姐姐/妹妹 工作日/周末 公元前/公元 甲/丙 甲/丁
乙/丙 乙/丁 丙/丁 恢复/取消 恢复/暂停 恢复/停止 同意/拒绝 同意/否决 通过/拒绝 保留/取消 保留/删除 保留/拆除 继续/停止
继续/暂停 继续/取消 推迟/提前 延后/提前 延期/提前 延长/缩短 扩大/缩小 扩建/缩减 加强/减弱 增强/减弱 加强/放松
收紧/放宽 加快/放慢 加速/减速 上调/下调 上涨/下降 涨价/降价 提价/降价 买入/卖出 买方/卖方 收货/发货 收件/寄件
收件人/寄件人 收款/付款 入库/出库 入职/离职 入院/出院 住院/出院 录用/辞退 录取/淘汰 晋升/降职 升职/降职 合格/不合格
登录/退出 登录/注销 上传/下载 上线/下线 上架/下架 上班/下班 上课/下课 上车/下车 上楼/下楼 起飞/降落 开机/关机
开业/停业 营业/停业 营业/歇业 开放/关闭 允许/禁止 可以/禁止 盈利/亏损 顺利/失败 安装/卸载 连接/断开 加入/退出
首次/末次 男士/女士 男生/女生 线上/线下 在线/离线 有偿/无偿 收费/免费 付费/免费 自愿/强制 公开/隐藏 显示/隐藏
实名/匿名 新增/删除 新增/取消 全职/兼职 固定/浮动 单程/往返 直达/中转 单面/双面 现金/刷卡 堂食/外带 加糖/无糖
左侧/右侧 东侧/西侧 南侧/北侧 前门/后门 楼上/楼下 室温/冷藏 冷藏/冷冻 常温/冷藏 常温/冷冻 空腹/饭后 空腹/餐后
睡前/饭前 内服/外用 全部/少数 全体/部分 所有/个别 全部/个别 全体/少数 每个/部分 每个/个别 大部分/小部分 多数/少数
全额/部分 全额/半额 全程/半程 领先/落后 早于/晚于 高于/低于 快于/慢于 优于/劣于 变大/变小 变快/变慢 变好/变差
改善/恶化 好转/恶化 缓解/加重 减轻/加重 流入/流出 存入/取出 转入/转出 迁入/迁出 输入/输出 引进/输出 主动/被动
直接/间接 手动/自动 有线/无线 国产/进口 生的/熟的 甜的/咸的 新车/二手 新房/二手房 租金/押金 定金/尾款 首付/尾款
含税/不含税 包邮/到付 应收/应付 借方/贷方 上半年/下半年 上学期/下学期 上一/下一 上周/下周 年前/年后 节前/节后
会前/会后 赛前/赛后 术前/术后 产前/产后 售前/售后 初稿/终稿 草案/定稿 初审/终审 初赛/决赛 主场/客场 胜诉/败诉
有罪/无罪 已婚/未婚 在职/离职 在校/离校 成年/未成年 好/差 优/差 省/费 省时/费时 节省/浪费 节约/浪费 大部分/全部
部分/全部 每/至少 每个/至少 所有/至少 满意/失望 热情/冷淡 礼貌/粗鲁 表扬/批评 赞扬/批评 称赞/投诉 乐观/悲观
复杂/简单 常见/罕见 湿润/干燥 潮湿/干燥 清楚/模糊 稳定/波动 free/charge free/extra free/surcharge all/½ every/½ whole/½
entire/½ most/½ 全部/½ 所有/½ 全体/½ 大部分/½ because/although because/though because/despite because/unless if/although
so/although therefore/however 因为/虽然 因为/尽管 由于/尽管 由于/虽然 所以/但是 因此/但是 如果/虽然 postponed/cancelled
postponed/canceled postponed/completed delayed/cancelled delayed/canceled scheduled/cancelled scheduled/canceled
planned/cancelled planned/canceled suspended/cancelled suspended/canceled suspended/completed approved/pending
rejected/pending accepted/pending confirmed/pending paid/pending shipped/pending shipped/delivered sent/delivered
negotiating/signed negotiating/concluded negotiated/signed discussing/agreed considering/decided nominated/elected
nominated/appointed shortlisted/selected accused/convicted charged/convicted arrested/convicted suspected/confirmed
injured/killed wounded/killed reserved/sold rented/sold leased/sold borrowed/bought tested/approved repaired/replaced
推迟/取消 延期/取消 推迟/完成 审核中/驳回 审核中/通过 审批中/批准 审批中/驳回 待审核/通过 待审核/驳回 待付款/已付款
待发货/已发货 已发货/已签收 进行中/已完成 处理中/已完成 处理中/已处理 处理中/已解决 施工中/已竣工
谈判/签署 协商/签署 洽谈/签约
提名/当选 候选/当选 起诉/判刑 受伤/死亡 受伤/遇难 维修/更换 租用/购买 租赁/购买
"""
_EITHER = """
today tomorrow yesterday | spring summer autumn winter | breakfast lunch dinner | january february march april may
june july august september october november december | red orange yellow green blue purple pink brown black white grey
gray beige turquoise crimson navy amber scarlet maroon violet teal cyan magenta khaki ivory charcoal | austria
australia belgium brazil bulgaria canada chile china colombia croatia cuba cyprus denmark egypt england estonia
finland france germany ghana greece hungary iceland india indonesia iran iraq ireland israel italy japan kenya korea
latvia lithuania malaysia malta mexico morocco nepal netherlands nigeria norway pakistan peru poland portugal romania
russia scotland serbia singapore slovakia slovenia spain sweden switzerland taiwan thailand tunisia turkey ukraine
vietnam wales | austrian australian belgian brazilian british bulgarian canadian chilean chinese colombian croatian
cuban czech danish dutch egyptian english estonian finnish french german ghanaian greek hungarian icelandic indian
indonesian iranian iraqi irish israeli italian japanese kenyan korean latvian lithuanian malaysian maltese mexican
moroccan nepalese nigerian norwegian pakistani peruvian polish portuguese romanian russian scottish serbian slovak
slovenian spanish swedish swiss taiwanese thai tunisian turkish ukrainian vietnamese welsh | 红 橙 绿 蓝 紫 粉 棕 灰 |
christmas easter thanksgiving halloween | morning afternoon evening night | 春节 元旦 清明 端午 中秋 国庆 五一 圣诞
元宵 重阳 七夕 | 寒假 暑假 | 凌晨 早上 中午 下午 晚上 | 京东 淘宝 天猫 拼多多 | 顺丰 中通 圆通 申通 韵达 京东 | 微信
支付宝 | 华为 小米 苹果 三星 | 今天 明天 昨天 后天 前天 | 今年 去年 明年 | 本周 上周 下周 这周 | 本月 上月 下月 |
上个月 下个月 这个月 | 春天 夏天 秋天 冬天 | 春季 夏季 秋季 冬季 | 早餐 午餐 晚餐 | 早饭 午饭 晚饭 | 红色 橙色 黄色
绿色 蓝色 紫色 粉色 棕色 黑色 白色 灰色 | 中国 美国 英国 法国 德国 日本 韩国 俄罗斯 印度 意大利 西班牙 葡萄牙 荷兰
加拿大 澳大利亚 巴西 墨西哥 埃及 泰国 越南 | 北京 上海 天津 重庆 广州 深圳 杭州 南京 苏州 武汉 成都 西安 长沙 郑州
济南 青岛 沈阳 大连 哈尔滨 长春 昆明 贵阳 南宁 厦门 福州 南昌 合肥 太原 兰州 西宁 银川 拉萨 海口 香港 澳门 台北 伦敦
巴黎 柏林 汉堡 慕尼黑 法兰克福 马德里 巴塞罗那 里斯本 罗马 米兰 维也纳 苏黎世 日内瓦 鹿特丹 阿姆斯特丹 布鲁塞尔 莫斯科
东京 大阪 首尔 曼谷 新加坡 纽约 洛杉矶 芝加哥 旧金山 波士顿 华盛顿 多伦多 温哥华 悉尼 墨尔本 绍兴 宁波 嘉兴 金华 无锡
南通 舟山 丽水 嵊泗 莆田 三明 龙岩 宁德 佛山 东莞 珠海 汕头 江门 桂林 洛阳 开封 烟台 威海 潍坊 保定 唐山 石家庄 包头
绵阳 宜昌 襄阳 岳阳 株洲 九江 芜湖 三亚 镇江 盐城 淮安 连云港 大理 丽江 遵义 咸阳 宝鸡 延安 大庆 鞍山 温州 台州 湖州
泉州 漳州 惠州 柳州 徐州 扬州 常州 宿州 赣州 锦州 | 长江 黄河 珠江 淮河 松花江 | 江苏 浙江 安徽 福建 江西 山东 河南
河北 湖北 湖南 广东 广西 四川 贵州 云南 陕西 山西 辽宁 吉林 黑龙江 甘肃 青海
"""
"""Words of one kind, of which a statement has one: another one says something else. A bar ends a kind."""
MODES: dict[str, tuple[str, str, str]] = {
    "‹forbidden›": (
        "cannot can't mustn't",
        "(?:must|may|can|shall) not|(?:not|n't) (?:allowed|permitted) to",
        "不得(?!不)|不能(?!不)|不可以?(?!不)|不允许|不准|禁止|严禁",
    ),
    "‹needless›": (
        "needn't",
        "need not|(?:not|n't) (?:have|need) to|(?:not|n't) (?:required|obliged) to|no need to",
        "不必|不需要|无需|無需|不用",
    ),
    "‹should›": (
        "should",
        "ought to|had better|(?:is|are) (?:supposed|advised|recommended|encouraged) to"
        "|(?:advisable|recommended|suggested) (?:to|that)",
        "应该|應該|建议|建議|最好",
    ),
    "‹must›": (
        "must shall mandatory compulsory obligatory",
        "ha(?:ve|s|d) (?:got )?to|need(?:s|ed)? to|(?:is|are|be|was|were) (?:required|obliged) to"
        "|(?:essential|imperative|required) (?:to|that)",
        "必须|必須|必需|务必|務必|应当|應當|需要|一定要|一定得|须(?!知)|不得不",
    ),
    "‹can›": (
        "can optional",
        "(?:is|are|be) (?:allowed|permitted|free|able|welcome) to",
        "可以|可自行|可自愿|可选择|有权|允许",
    ),
    "‹may›": ("may", "", ""),
    "‹might›": ("might could perhaps possibly maybe", "", "可能|也许|或许"),
    "‹will›": (
        "will considering",
        "(?:going|planning|hoping|due|about|plan(?:s|ned)?|intend(?:s|ed)?|(?:want|hope|expect|wish)(?:s|es|ed)?) to"
        "|would like to|(?:thinking|thought) (?:about|of)|(?:is|are) planned",
        "准备|準備|考虑|有意|有望|预计|计划|打算|拟于|即将|将要|将(?=[于在会对由为向从])",
    ),
    "‹done›": ("has have had was were", "", "已经|已經|已(?=[于在被由完经])|完成了|完毕"),
    "‹even if›": ("regardless", "even (?:if|when|though)|no matter", "即使|即便|无论|无論|不管|哪怕"),
    "‹only if›": ("", "only (?:if|when|after)|(?:if|when) and only", "只有|仅当|除非"),
    "‹if›": ("if provided", "(?:as|so) long as", "如果|若|只要|倘若"),
    "‹than›": (
        "",
        r"(?:(?:more|less|fewer)(?: \w+)?|\w{2,}er|closer to|nearer to) than",
        "比(?![较如例赛分重率喻方])",
    ),
    "‹as›": ("equally", r"as \w+ as", "一样|一樣|同样|相同"),
}
"""The ways to demand, allow, expect and report, to set a condition and to compare: words, phrases, and Chinese ones.

Of `must`, `have to` and `is required to` each says the same as the others, and something else than `may`.
"""
_MODES_APART = """
forbidden/needless must/should must/can must/may should/may will/may may/done must/might must/done should/can
should/done can/done might/will might/done will/done if/even_if if/only_if even_if/only_if than/as
"""
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
    *([f"‹{_mode.replace('_', ' ')}›" for _mode in _pair.split("/")] for _pair in _MODES_APART.split()),
]:
    _one, _other = _one.replace("½", "1/2"), _other.replace("½", "1/2")
    CONTRASTS.setdefault(_one, set()).add(_other)
    CONTRASTS.setdefault(_other, set()).add(_one)
ONE_OF_MANY = frozenset(_EITHER.split()).union(MODES)
"""Words of which one that is denied does not say another: what is not red need not be blue."""
TERMS = tuple(
    sorted(
        (word for word in CONTRASTS if len(word) > 1 and not word.isascii() and word not in MODES),
        key=len,
        reverse=True,
    )
)
"""Those that are longer than a token, the longest first."""
