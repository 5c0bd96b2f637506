"""List opposite words, and ways to demand, allow and report, in English and Chinese."""

from collections.abc import Set
from itertools import chain

from semsearch.text.words import word_set

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
confirms/refutes confirmed/refuted missing/present 大多数/全部 大多数/所有 多数/全部 多数/所有 每/个别 每/少数
便宜/贵 便宜/昂贵 推荐/避免 rose/fell rose/dropped grew/fell grew/shrank rise/drop rises/falls rising/dropping
increase/drop increased/dropped increased/fell all/some all/few all/most most/few some/none most/none everyone/nobody
once/twice daily/weekly daily/monthly daily/yearly daily/annually daily/hourly daily/quarterly hourly/weekly
weekly/monthly weekly/yearly weekly/annually weekly/quarterly monthly/yearly monthly/annually monthly/quarterly
quarterly/yearly quarterly/annually quarterly/annual monthly/annual weekly/annual daily/annual always/sometimes
always/seldom always/rarely permanent/temporary debtor/creditor lessee/lessor mandatory/voluntary
compulsory/voluntary inhale/exhale supply/demand upper/lower former/current greater/less longer/shorter
larger/smaller higher/lower later/earlier older/younger faster/slower maximal/minimal maximally/minimally </> ≤/≥ </≥
≤/> </≤ >/≥ both/only both/either both/neither both/one all/only every/only everyone/only every/some and/or
tablet/capsule inclusive/exclusive inner/outer odd/even row/column vertical/horizontal vertically/horizontally
clockwise/anticlockwise clockwise/counterclockwise head/tail get/set push/pop insert/delete create/delete
create/destroy append/prepend break/continue production/staging development/production define/undef ifdef/ifndef
parent/child ceil/floor maximise/minimise maximize/minimize noon/midnight sunrise/sunset dawn/dusk singular/plural
asc/desc sync/async qd/bid qd/tid qd/qid qd/qod bid/tid bid/qid tid/qid po/iv po/im po/sc iv/im iv/sc bc/ad bce/ce
ie/eg rising/setting guilty/innocent synchronous/asynchronous prefix/suffix 每天/每周 每天/每月 每天/每年 每日/每周
每日/每月 每日/每年 每周/每月 每周/每年 每月/每年 员工/雇主 雇员/雇主 全部/部分 所有/部分 所有/少数 永久/临时
债务/债权 房东/租客 必须/可选 上午/下午 最早/最晚 至少/至多 至少/最多 最少/最多 都/只 全/只 全都/只有 都/仅 和/或
与/或 及/或 且/或 并且/或者 之前/之后 以前/以后 以上/以下 最大/最小 最高/最低 药片/胶囊 片剂/胶囊 正午/午夜 1st/last
1st/final only/also adult/child adults/children morning/night weekday/weekend weekdays/weekends tablespoon/teaspoon
tablespoons/teaspoons doubled/halved doubles/halves mr/mrs mr/ms eastern/western northern/southern largest/smallest
biggest/smallest longest/shortest highest/lowest failed/succeeded until/from one/2 one/3 one/4 one/5 one/6 one/7
one/8 one/9 one/10 tight/loose tighten/loosen tightened/loosened keep/scrap keep/drop keep/remove keep/cancel
keep/delete keep/abandon kept/scrapped kept/dropped kept/removed kept/cancelled kept/deleted retain/discard
retained/discarded save/discard admit/discharge admitted/discharged admit/deny admitted/denied closer/further
closer/farther nearer/further nearer/farther narrow/broad lengthen/shorten lengthened/shortened extend/shorten
extended/shortened extend/end postpone/advance promote/demote promoted/demoted recruit/dismiss recruited/dismissed
employed/dismissed hired/dismissed acquit/convict acquitted/convicted borrowed/lent borrows/lends boarding/landing
ascend/descend ascent/descent inbound/outbound incoming/outgoing domestic/foreign domestic/international local/remote
rural/urban fresh/frozen fresh/stale raw/cooked sweet/sour sweet/bitter mild/spicy mild/severe acute/chronic
benign/malignant oral/topical sink/float sank/floated sinks/floats contract/expand contracts/expands swell/shrink
attract/repel attack/retreat advance/retreat absorb/emit absorb/reflect transparent/opaque flexible/rigid
elastic/rigid fixed/variable constant/variable fixed/floating static/dynamic manual/automatic manually/automatically
wired/wireless single/double single/married portrait/landscape surplus/deficit asset/liability assets/liabilities
gross/net wholesale/retail free/paid hidden/visible shown/hidden expanded/collapsed expand/collapse merge/split
merged/split join/leave joined/left enrol/withdraw enroll/withdraw begin/finish start/finish started/finished
begins/ends starts/ends opens/closes resume/suspend resumed/suspended resume/stop resumed/cancelled resume/cancel
resumed/stopped suspended/reinstated reinstate/suspend hold/release held/released upstream/downstream
upstairs/downstairs uphill/downhill upwind/downwind northbound/southbound eastbound/westbound leftmost/rightmost
acidic/alkaline sunny/rainy sunny/cloudy sunny/foggy dry/rainy dry/humid calm/windy quieter/louder warmer/colder
warmer/cooler hotter/colder heavier/lighter thicker/thinner wider/narrower deeper/shallower taller/shorter
bigger/smaller richer/poorer stronger/weaker cheaper/dearer cheaper/expensive brighter/darker sooner/later
easier/harder drier/wetter safer/riskier cleaner/dirtier softer/harder smoother/rougher newer/older fewest/most
largest/fewest nearest/farthest nearest/furthest youngest/oldest newest/oldest fastest/slowest cheapest/dearest
hottest/coldest lightest/heaviest tallest/shortest strongest/weakest earliest/latest whole/part entire/part
whole/half entire/half all/part full/partial full/half full/part fully/partly fully/partially completely/partly
completely/partially wholly/partly whole/partial any/only each/some everybody/some majority/minority mostly/rarely
usually/rarely usually/seldom often/seldom often/never sometimes/never always/occasionally frequently/rarely
generally/rarely several/all several/no some/no all/no every/no each/no planned/completed planned/done
planned/finished scheduled/completed scheduled/finished pending/completed pending/approved pending/finished
proposed/adopted proposed/approved draft/final drafted/signed expected/confirmed tentative/confirmed winner/loser
winners/losers buyer/vendor customer/supplier customers/suppliers client/supplier owner/tenant owners/tenants
donor/recipient payer/payee interviewer/interviewee trainer/trainee mentor/mentee examiner/candidate author/reviewer
caller/callee senior/junior major/minor primary/secondary inferior/superior exterior/interior lenient/strict
optimistic/pessimistic fertile/barren abundant/scarce rare/common simple/complex credit/cash card/cash weekday/sunday
breakfast/supper more/fewer against/favour against/favor every/least all/least each/least every/one one/all one/each
each/only only/except except/including twice/just twice/half double/half happy/unhappy pleased/unhappy
pleased/disappointed pleased/annoyed pleased/dissatisfied pleased/displeased satisfied/unhappy satisfied/disappointed
delighted/disappointed delighted/unhappy happy/disappointed happy/upset glad/sad impressed/disappointed
relieved/worried confident/doubtful confident/unsure hopeful/pessimistic excited/bored moist/dry damp/dry humid/arid
polite/rude friendly/hostile friendly/rude kind/unkind patient/impatient honest/dishonest praise/criticise
praise/criticize praised/criticised praised/criticized won/drew lost/drew profitable/unprofitable helpful/useless
useful/useless harmful/harmless careful/careless hopeless/hopeful painful/painless 打开/关闭 打开/关上 开启/关闭
启用/停用 启用/禁用 开门/关门 开始/结束 开始/停止 增加/减少 提高/降低 上升/下降 上涨/下跌 进入/离开 接受/拒绝
批准/拒绝 同意/反对 支持/反对 赞成/反对 成功/失败 出发/到达 入口/出口 进口/出口 出租/承租 房东/房客 房东/租户
老师/学生 教师/学生 医生/病人 医生/患者 医生/护士 原告/被告 供应商/客户 父亲/母亲 儿子/女儿 丈夫/妻子 室内/室外
饭前/饭后 餐前/餐后 白天/夜里 白天/晚上 早上/晚上 顺时针/逆时针 横向/纵向 水平/垂直 奇数/偶数 国内/国外 城市/农村
永远/从不 总是/从不 经常/很少 有效/无效 合法/非法 正确/错误 安全/危险 公开/保密 只/也 只/还 仅/也 所有/有些 所有/一些
全部/一些 全部/有些 大人/孩子 成人/儿童 农历/公历 阴历/阳历 阳性/阴性 通过/驳回 通过/否决 单号/双号 单数/双数
借款人/贷款人 出租人/承租人 双方/单方 上册/下册 月初/月底 年初/年底 收入/支出 借入/借出 有效/失效 包括/除外 大于/小于
超过/不足 哥哥/弟弟 姐姐/妹妹 工作日/周末 公元前/公元 甲/丙 甲/丁 乙/丙 乙/丁 丙/丁 恢复/取消 恢复/暂停 恢复/停止
同意/拒绝 同意/否决 通过/拒绝 保留/取消 保留/删除 保留/拆除 继续/停止 继续/暂停 继续/取消 推迟/提前 延后/提前
延期/提前 延长/缩短 扩大/缩小 扩建/缩减 加强/减弱 增强/减弱 加强/放松 收紧/放宽 加快/放慢 加速/减速 上调/下调
上涨/下降 涨价/降价 提价/降价 买入/卖出 买方/卖方 收货/发货 收件/寄件 收件人/寄件人 收款/付款 入库/出库 入职/离职
入院/出院 住院/出院 录用/辞退 录取/淘汰 晋升/降职 升职/降职 合格/不合格 登录/退出 登录/注销 上传/下载 上线/下线
上架/下架 上班/下班 上课/下课 上车/下车 上楼/下楼 起飞/降落 开机/关机 开业/停业 营业/停业 营业/歇业 开放/关闭
允许/禁止 可以/禁止 盈利/亏损 顺利/失败 安装/卸载 连接/断开 加入/退出 首次/末次 男士/女士 男生/女生 线上/线下
在线/离线 有偿/无偿 收费/免费 付费/免费 自愿/强制 公开/隐藏 显示/隐藏 实名/匿名 新增/删除 新增/取消 全职/兼职
固定/浮动 单程/往返 直达/中转 单面/双面 现金/刷卡 堂食/外带 加糖/无糖 左侧/右侧 东侧/西侧 南侧/北侧 前门/后门
楼上/楼下 室温/冷藏 冷藏/冷冻 常温/冷藏 常温/冷冻 空腹/饭后 空腹/餐后 睡前/饭前 内服/外用 全部/少数 全体/部分
所有/个别 全部/个别 全体/少数 每个/部分 每个/个别 大部分/小部分 多数/少数 全额/部分 全额/半额 全程/半程 领先/落后
早于/晚于 高于/低于 快于/慢于 优于/劣于 变大/变小 变快/变慢 变好/变差 改善/恶化 好转/恶化 缓解/加重 减轻/加重
流入/流出 存入/取出 转入/转出 迁入/迁出 输入/输出 引进/输出 主动/被动 直接/间接 手动/自动 有线/无线 国产/进口
生的/熟的 甜的/咸的 新车/二手 新房/二手房 租金/押金 定金/尾款 首付/尾款 含税/不含税 包邮/到付 应收/应付 借方/贷方
上半年/下半年 上学期/下学期 上一/下一 上周/下周 年前/年后 节前/节后 会前/会后 赛前/赛后 术前/术后 产前/产后 售前/售后
初稿/终稿 草案/定稿 初审/终审 初赛/决赛 主场/客场 胜诉/败诉 有罪/无罪 已婚/未婚 在职/离职 在校/离校 成年/未成年 好/差
优/差 省/费 省时/费时 节省/浪费 节约/浪费 大部分/全部 每/至少 每个/至少 所有/至少 满意/失望 热情/冷淡 礼貌/粗鲁
表扬/批评 赞扬/批评 称赞/投诉 乐观/悲观 复杂/简单 常见/罕见 湿润/干燥 潮湿/干燥 清楚/模糊 稳定/波动 free/charge
free/fee free/fees free/charged free/extra free/surcharge all/½ every/½ whole/½ entire/½ most/½ 全部/½ 所有/½ 全体/½
大部分/½ because/although because/though because/despite because/unless if/although so/although therefore/however
因为/虽然 因为/尽管 由于/尽管 由于/虽然 所以/但是 因此/但是 如果/虽然 postponed/cancelled postponed/canceled
postponed/completed delayed/cancelled delayed/canceled scheduled/cancelled scheduled/canceled planned/cancelled
planned/canceled suspended/cancelled suspended/canceled suspended/completed rejected/pending accepted/pending
confirmed/pending paid/pending shipped/pending shipped/delivered sent/delivered negotiating/signed
negotiating/concluded negotiated/signed discussing/agreed considering/decided nominated/elected nominated/appointed
shortlisted/selected accused/convicted charged/convicted arrested/convicted suspected/confirmed injured/killed
wounded/killed reserved/sold rented/sold leased/sold borrowed/bought tested/approved repaired/replaced 推迟/取消
延期/取消 推迟/完成 审核中/驳回 审核中/通过 审批中/批准 审批中/驳回 待审核/通过 待审核/驳回 待付款/已付款
待发货/已发货 已发货/已签收 进行中/已完成 处理中/已完成 处理中/已处理 处理中/已解决 施工中/已竣工 谈判/签署 协商/签署
洽谈/签约 提名/当选 候选/当选 起诉/判刑 受伤/死亡 受伤/遇难 维修/更换 租用/购买 租赁/购买 front/back front/rear
front/side back/side top/side bottom/side lid/base sweet/salty sweet/savoury sweet/savory salty/bland spicy/bland
sweet/spicy sour/salty ripe/unripe ripe/green blunt/sharp crisp/soggy tender/tough thin/fat slim/fat
certain/uncertain certain/unsure clear/vague clear/cloudy clear/foggy clear/murky praise/complain before/during
during/after in/before first/second guaranteed/possible definite/tentative definite/provisional final/provisional
final/preliminary final/interim provisional/permanent interim/permanent seasonal/permanent beginner/advanced
beginners/advanced novice/expert amateur/professional introductory/advanced refund/charge refunded/charged
refund/exchange refunded/exchanged refundable/nonrefundable earn/spend earned/spent inland/coastal rooftop/basement
ground/upper overseas/domestic deny/confirm denied/confirmed denies/confirms claimed/denied dismissed/upheld
upheld/overturned reject/uphold overturned/confirmed absent/attended attend/miss attended/missed attended/skipped
catch/miss caught/missed remembered/forgot found/lost find/lose recovered/lost recover/worsen recovered/worsened
improve/worsen improved/worsened improving/worsening easing/worsening rising/easing gaining/losing multiply/divide
multiplied/divided above/beneath inhaled/exhaled thaw/freeze thawed/frozen thawed/froze thaws/freezes defrost/freeze
boil/freeze boiled/fried baked/fried grilled/fried roasted/raw peeled/unpeeled shelled/unshelled salted/unsalted
sweetened/unsweetened carbonated/still sparkling/still smoking/nonsmoking leaded/unleaded alcoholic/nonalcoholic
drought/flood droughts/floods heatwave/frost 咸/淡 甜/咸 甜/苦 甜/辣 酸/甜 辣/淡 偏咸/偏淡 生/熟 嫩/老 浓/淡 稠/稀
胖/瘦 美/丑 勤/懒 忙/闲 松/紧 曲/直 凹/凸 横/竖 奇/偶 正面/背面 正面/反面 正面/侧面 正面/底面 背面/侧面 底部/顶部
底部/侧面 顶部/侧面 正门/侧门 正门/后门 前排/后排 左手/右手 左边/右边 左岸/右岸 北岸/南岸 东岸/西岸 上游/下游
上层/下层 上铺/下铺 内侧/外侧 内部/外部 里面/外面 前面/后面 上面/下面 东边/西边 南边/北边 东门/西门 南门/北门
临时/正式 初步/最终 暂定/确定 暂定/最终 试用/正式 入门/高级 初学/资深 业余/专业 退款/换货 退货/换货 收取/退还
收取/免除 缴纳/退还 归还/借出 租入/租出 赚/赔 挣/花 丢失/找到 遗失/找到 忘记/记得 赶上/错过 参加/缺席 出席/缺席
到场/缺席 承认/否认 证实/否认 维持/推翻 维持/撤销 撤销/保留 解除/签订 签订/终止 生效/终止 续签/终止 续约/解约
好评/差评 好转/加重 恶化/缓解 解冻/冻结 融化/结冰 干旱/洪涝 水煮/油炸 清蒸/油炸 剥皮/带皮 吸烟/禁烟 高峰/低谷
旺季/淡季 晴天/雨天 平日/周末 平日/节假日 工作日/节假日 工作日/休息日 大号/小号 大号/中号 中号/小号 大杯/小杯
大杯/中杯 中杯/小杯 长袖/短袖 长裤/短裤 单人/双人 单床/双床 靠窗/靠走道 靠窗/过道 单向/双向 逆行/顺行 独自/一起
提前/准时 准时/迟到 准时/晚点 准点/晚点 正点/晚点 提前/晚点 早退/迟到 足够/不足 充足/不足 充足/短缺 过剩/短缺
过量/不足 偏高/偏低 偏大/偏小 偏快/偏慢 偏多/偏少 偏热/偏冷 过高/过低 过大/过小 过多/过少 偏紧/偏松 偏长/偏短
偏厚/偏薄 偏软/偏硬 fixed/broken working/broken mended/broken repaired/broken intact/broken intact/damaged
undamaged/damaged resolved/open resolved/unresolved solved/unsolved closing/reopening closed/reopened solved/open
done/pending finished/unfinished written/oral written/verbal written/spoken printed/digital paper/electronic
handwritten/typed formal/informal fulltime/parttime evening/day sold/available sold/unsold available/unavailable
busy/free occupied/vacant occupied/free reserved/free taken/free booked/free allowed/banned permitted/banned
welcome/banned optional/banned approved/denied eligible/ineligible far/nearby bad/fine ill/well sick/well
sick/healthy ill/healthy hard/simple difficult/simple work/fail works/fails worked/failed working/failing like/hate
liked/disliked remembers/forgets pay/owe paid/owed hit/missed reached/missed met/missed on-site/remote onsite/remote
refrigerated/frozen refrigerated/ambient chilled/frozen chilled/warm vegetarian/meat vegan/meat
preliminary/definitive mainland/island slow/quick asleep/up 合格/待检 合格/待复检 正常/异常 正常/故障 完好/损坏
完好/破损 修好/损坏 已修复/未修复 已修复/待修 已解决/待解决 已结案/未结案 笔试/口试 笔试/面试 笔试/机试 书面/口头
纸质/电子 开卷/闭卷 仅/所有 仅/全体 仅/任何 仅限/所有 仅限/任何 仅限/全体 只有/所有 只有/任何 只有/全体 贵/实惠
贵/划算 昂贵/实惠 难/容易 难/简单 困难/容易 困难/简单 困难/轻松 差/不错 方便/麻烦 舒服/难受 舒适/难受 记得/忘
喜欢/讨厌 高兴/难过 高兴/生气 远/附近 有空/忙 空闲/占用 空置/占用 可用/占用 可售/售罄 有货/缺货 有货/售罄 现货/缺货
现货/预售 在岗/离岗 在职/退休 就业/失业 上学/放学 开学/放假 开庭/休庭 开馆/闭馆 开园/闭园 开市/休市 涨价/打折
原价/特价 正价/特价 全新/二手 家家户户/少数 家家户户/部分 家家户户/个别 人人/少数 人人/部分 人人/个别 个个/有的
样样/有的 处处/个别 谁都/没人 人人/没人 谢绝/欢迎 欢迎/禁止 欢迎/请勿 加急/普通 特快/普通 挂号/平信 头等舱/经济舱
商务舱/经济舱 一等座/二等座 硬座/软座 硬卧/软卧 站票/坐票 通行/封闭 畅通/拥堵 通车/封路 通水/停水 通电/停电 供水/停水
供电/停电 供暖/停暖 复工/停工 复课/停课 复产/停产 认可/质疑 承诺/拒绝 主办/协办 主修/辅修 正职/副职 正本/副本
原件/复印件 原版/盗版 正版/盗版 公办/民办 公立/私立 国营/私营 军用/民用 商用/家用 商用/民用 阳台/飘窗 向阳/背阴
朝南/朝北 朝东/朝西 顺风/逆风 逆风/背风 上坡/下坡 涨潮/退潮 since/until released/arrested freed/arrested freed/jailed
released/detained released/jailed passed/rejected passed/defeated dormant/active extinct/endangered extinct/living
fluent/basic fluent/limited used/new secondhand/new side/main main/back main/rear paid/overdue paid/unpaid
fully/nearly passable/blocked passable/closed ‹works›/‹broken› ‹available›/‹gone› refrigerated/room chilled/room
anyone/only anybody/only extended/cut doubled/tripled restored/disrupted restored/interrupted restored/suspended
continues/ends continued/ended remains/left stays/leaves stayed/left stay/leave remain/leave arrived/left
arrives/leaves arriving/leaving delayed/brought delayed/advanced postponed/advanced wins/loses hired/laid tame/wild
edible/poisonous edible/toxic poisonous/harmless venomous/harmless contagious/harmless curable/incurable
reversible/permanent 曾经/现在 曾是/现是 以前/现在 原先/现在 原来/现在 过去/现在 过去/将来 现在/将来 大部分/少数
多数/部分 绝大多数/少数 多半/少数 停电/停水 停电/停气 停水/停气 实验组/对照组 只读/可写 只读/读写 释放/逮捕 释放/拘留
获释/被捕 获释/入狱 活跃/休眠 灭绝/濒危 流利/基础 精通/入门 已付/未付 已付/逾期 按时/逾期 按期/逾期 延误/取消
延误/准点 晚点/取消 照常/取消 如期/取消 如期/推迟 如期/延期 照常/推迟 照常/延期 照常/暂停 照常/停止 有毒/无毒
有毒/可食用 野生/养殖 野生/家养 天然/人工 天然/合成 人工/机器 人工/自动 传染/不传染 可逆/永久 续保/退保 投保/退保
中标/落标 中标/流标 夺冠/垫底 晋级/出局 晋级/淘汰 入选/落选 当选/落选 录取/落榜 点赞/差评 涨粉/掉粉 增持/减持
增值/贬值 升值/贬值 牛市/熊市 多头/空头 看涨/看跌 做多/做空 顺差/逆差 通胀/通缩 加息/降息 扩招/缩招 扩员/裁员
招聘/裁员 招人/裁员 加班/休息 上调/下降 上调/降低 提前/推后 提早/推迟 提早/延迟 correct/wrong right/incorrect
separately/together apart/together alone/together included/extra included/additional soft/stiff single/multiple
one/multiple street/courtyard road/garden bride/groom next/opposite member/guest members/guests
member/visitor granted/refused granted/rejected grants/refuses grants/rejects grant/refuse grant/reject late/punctual
‹beforehand›/‹afterwards› draw/win draw/defeat drew/beat tie/win front/courtyard paved/gravel 禁用/慎用 禁用/可用
慎用/可用 冷水/温水 冷水/热水 温水/热水 温水/开水 冷水/开水 上课/停课 铅笔/钢笔 铅笔/圆珠笔 铅笔/签字笔 半价/免费
全价/半价 全价/免费 货到付款/款到发货 有毒/可以吃 有毒/能吃 平局/获胜 平局/战胜 平局/落败 入住/退房 改签/退票
公司/家庭 公司/住宅 单位/家庭 安全/员工 正常/停 高价/低价 高档/低档 高端/低端 高清/标清 高速/低速 高压/低压 高温/低温
高层/低层 浅色/深色 深水/浅水 冷光/暖光 冷色/暖色 冷饮/热饮 凉水/热水 现做/预制 鲜花/假花 真皮/人造 实木/板材
男款/女款 男式/女式 童装/成人 会员/非会员 本地/外地 本市/外市 本省/外省 本国/外国 本人/他人 本人/家属 本人/单位
个人/单位 个人/集体 个人/企业 企业/政府 家属/患者
approved/declined tiled/carpeted stairs/lift stairs/elevator colour/black color/black fold/cut fold/tear 获胜/落败
获胜/告负 取胜/落败 取胜/告负 战胜/负于 战胜/输给 签字/盖章 雪地/沙地 前任/现任 上班/休息 上课/休息
"""
_EITHER = """
today tomorrow yesterday | spring summer autumn winter | breakfast lunch dinner | january february march april may
june july august september october november december | red orange yellow green blue purple pink brown black white
grey=gray beige turquoise crimson navy amber scarlet maroon violet teal cyan magenta khaki ivory charcoal | austria
australia belgium brazil bulgaria canada chile china colombia croatia cuba cyprus denmark egypt england estonia
finland france germany ghana greece hungary iceland india indonesia iran iraq ireland israel italy japan kenya korea
latvia lithuania malaysia malta mexico morocco nepal netherlands nigeria norway pakistan peru poland portugal romania
russia scotland serbia singapore slovakia slovenia spain sweden switzerland taiwan thailand tunisia turkey ukraine
vietnam wales | austrian australian belgian brazilian british bulgarian canadian chilean chinese colombian croatian
cuban czech danish dutch egyptian english estonian finnish french german ghanaian greek hungarian icelandic indian
indonesian iranian iraqi irish israeli italian japanese kenyan korean latvian lithuanian malaysian maltese mexican
moroccan nepalese nigerian norwegian pakistani peruvian polish portuguese romanian russian scottish serbian slovak
slovenian spanish swedish swiss taiwanese thai tunisian turkish ukrainian vietnamese welsh | 红 橙 绿 蓝 紫 粉 棕 灰
| christmas easter thanksgiving halloween | morning afternoon evening night | 春节 元旦 清明 端午 中秋 国庆 五一 圣诞
元宵 重阳 七夕 | 寒假 暑假 | 凌晨 早上 中午 下午 晚上 | 京东 淘宝 天猫 拼多多 | 顺丰 中通 圆通 申通 韵达 京东 | 微信
支付宝 | 华为 小米 苹果 三星 | 今天 明天 昨天 后天 前天 | 今年 去年 明年 | 本周 上周 下周 这周 | 本月 上月 下月 |
上个月 下个月 这个月 | 春天 夏天 秋天 冬天 | 春季 夏季 秋季 冬季 | 早餐 午餐 晚餐 | 早饭 午饭 晚饭 | 红色 橙色 黄色
绿色 蓝色 紫色 粉色 棕色 黑色 白色 灰色 | 中国 美国 英国 法国 德国 日本 韩国 俄罗斯 印度 意大利 西班牙 葡萄牙 荷兰
加拿大 澳大利亚 巴西 墨西哥 埃及 泰国 越南 | 北京 上海 天津 重庆 石家庄 唐山 秦皇岛 邯郸 邢台 保定 张家口 承德 沧州
廊坊 衡水 太原 阳泉 晋城 朔州 晋中 运城 忻州 临汾 吕梁 呼和浩特 包头 乌海 赤峰 通辽 鄂尔多斯 沈阳 大连 鞍山 抚顺 本溪
丹东 锦州 营口 阜新 辽阳 盘锦 铁岭 葫芦岛 长春 四平 辽源 通化 松原 哈尔滨 齐齐哈尔 鸡西 鹤岗 双鸭山 大庆 伊春 佳木斯
七台河 牡丹江 黑河 绥化 南京 无锡 徐州 常州 苏州 南通 连云港 淮安 盐城 扬州 镇江 泰州 宿迁 杭州 宁波 温州 嘉兴 湖州
绍兴 金华 衢州 舟山 台州 丽水 义乌 合肥 芜湖 蚌埠 淮南 马鞍山 淮北 铜陵 安庆 滁州 阜阳 宿州 六安 亳州 池州 宣城 福州
厦门 莆田 三明 泉州 漳州 南平 龙岩 宁德 南昌 景德镇 萍乡 九江 新余 鹰潭 赣州 抚州 上饶 济南 青岛 淄博 枣庄 东营 烟台
潍坊 济宁 泰安 威海 临沂 德州 聊城 滨州 菏泽 郑州 开封 洛阳 平顶山 安阳 鹤壁 新乡 焦作 濮阳 许昌 漯河 三门峡 南阳
商丘 周口 驻马店 武汉 黄石 十堰 宜昌 襄阳 鄂州 荆门 孝感 荆州 黄冈 咸宁 随州 恩施 长沙 株洲 湘潭 衡阳 邵阳 岳阳 常德
张家界 益阳 郴州 永州 怀化 娄底 广州 韶关 深圳 珠海 汕头 佛山 江门 湛江 茂名 肇庆 惠州 梅州 汕尾 阳江 清远 东莞 潮州
揭阳 云浮 南宁 柳州 桂林 梧州 防城港 钦州 贵港 玉林 百色 贺州 河池 崇左 海口 三亚 成都 自贡 攀枝花 泸州 德阳 绵阳
广元 遂宁 内江 乐山 南充 眉山 宜宾 达州 雅安 巴中 资阳 贵阳 六盘水 遵义 安顺 毕节 铜仁 昆明 曲靖 玉溪 昭通 丽江 临沧
大理 拉萨 日喀则 西安 铜川 宝鸡 咸阳 渭南 延安 汉中 榆林 商洛 兰州 嘉峪关 天水 武威 张掖 酒泉 庆阳 陇南 西宁 海东
银川 石嘴山 吴忠 固原 乌鲁木齐 克拉玛依 吐鲁番 哈密 喀什 香港 澳门 台北 高雄 台中 嵊泗 伦敦 巴黎 柏林 汉堡 慕尼黑
法兰克福 马德里 巴塞罗那 里斯本 罗马 米兰 威尼斯 维也纳 苏黎世 日内瓦 鹿特丹 阿姆斯特丹 布鲁塞尔 莫斯科 圣彼得堡 东京
大阪 京都 首尔 釜山 曼谷 新加坡 吉隆坡 雅加达 马尼拉 河内 孟买 迪拜 开罗 纽约 洛杉矶 芝加哥 旧金山 西雅图 波士顿
华盛顿 多伦多 温哥华 悉尼 墨尔本 | 长江 黄河 珠江 淮河 松花江 | 江苏 浙江 安徽 福建 江西 山东 河南 河北 湖北 湖南
广东 广西 四川 贵州 云南 陕西 山西 辽宁 吉林 黑龙江 甘肃 青海 | wooden plastic metal glass leather cotton woollen
silk linen rubber cardboard concrete brick copper aluminium ceramic | bus train tram ferry plane=aeroplane=airplane
taxi bicycle motorbike=motorcycle helicopter lorry=truck van | dog cat horse cow sheep goat pig rabbit hen duck
goose=geese hamster parrot tortoise | beef pork chicken lamb salmon tuna prawn=shrimp | tea coffee juice milk beer
wine lemonade cocoa | sugar salt pepper vinegar flour honey butter | apple pear plum peach cherry=cherries banana
grape lemon mango apricot strawberry=strawberries raspberry=raspberries | carrot potato=potatoes tomato=tomatoes
onion cucumber cabbage lettuce spinach garlic leek pumpkin | piano violin guitar flute cello trumpet clarinet harp
saxophone | football=soccer basketball tennis volleyball badminton cricket rugby hockey baseball golf |
maths=math=mathematics physics chemistry biology geography | kitchen bathroom bedroom garage cellar=basement
attic=loft balcony hallway | shirt jacket trousers skirt hat=cap glove scarf=scarves sock shoe | ankle elbow wrist
knee shoulder thumb hip | dentist nurse surgeon midwife vet=veterinarian paramedic pharmacist plumber electrician
carpenter lawyer accountant librarian gardener baker butcher chef=cook | mother=mum=mom father=dad sister brother
aunt uncle grandmother=grandma grandfather=grandpa niece nephew cousin | students=student pensioners=pensioner
veterans=veteran toddlers=toddler | oak pine birch maple willow beech cedar | gold silver bronze | circle square
triangle hexagon | windows macos linux android | chrome firefox safari | aspirin ibuprofen paracetamol=acetaminophen
penicillin amoxicillin insulin metformin | beginner intermediate advanced | small medium large=big | pdf csv json xml
| northeast northwest southeast southwest | nineties eighties seventies sixties fifties | finance marketing
procurement logistics payroll | library museum gallery theatre=theater=cinema | 木制=木质 塑料 金属 玻璃 皮革
纯棉=棉质 羊毛 真丝=丝绸 亚麻 橡胶 混凝土 不锈钢 陶瓷 竹制 | 公交=公交车=巴士 地铁 火车=高铁 飞机 轮船=渡轮
出租车=的士 自行车=单车 摩托车 货车=卡车 面包车 | 小狗 小猫 兔子 仓鼠 鹦鹉 乌龟 金鱼 | 牛肉 猪肉 羊肉 鸡肉 鱼肉 虾仁
| 茶水=茶 咖啡 果汁 牛奶 啤酒 红酒 豆浆 | 白糖=糖 食盐=盐 白醋=醋 酱油 小苏打 面粉 蜂蜜 黄油 花椒 | 苹果 梨子 桃子
葡萄 香蕉 柠檬 芒果 草莓 西瓜 橘子 樱桃 | 土豆=马铃薯 番茄=西红柿 洋葱 黄瓜 白菜 菠菜 大蒜 韭菜 南瓜 萝卜 茄子 豆角 |
钢琴 小提琴 吉他 长笛 大提琴 古筝 二胡 | 足球 篮球 网球 排球 羽毛球 乒乓球 | 数学 物理 化学 生物 历史 地理 语文 英语
体育 音乐 美术 | 厨房 卫生间=洗手间 卧室 客厅 阳台 书房 地下室 车库 | 外套 衬衫 毛衣 裤子 裙子 帽子 手套 围巾 袜子
鞋子 | 脚踝 手腕 膝盖 肩膀 手肘 腰部 | 牙医 护士 律师 会计 水管工 电工 木工 厨师 司机 保安 保洁 | 妈妈=母亲 爸爸=父亲
姐姐 哥哥 妹妹 弟弟 叔叔 舅舅 姑姑 爷爷 奶奶 外公=姥爷 外婆=姥姥 | 班主任 校长 教务处 家长 班长 | 财务部
人事部=人力资源部 市场部 技术部 法务部 销售部 采购部 | 总公司=总部 分公司 子公司 | 小学 初中 高中 大学 | 初级 中级
高级 | 本科 硕士 博士 | 圆形 方形=正方形 三角形 椭圆形 | 阿司匹林 布洛芬 对乙酰氨基酚 头孢 阿莫西林 青霉素 胰岛素
二甲双胍 | 东北 西北 东南 西南 | 图书馆 博物馆 美术馆 体育馆 电影院 剧院 | 台风 暴雨 大雪 大雾 地震 洪水 冰雹 沙尘 |
submitted received reviewed approved rejected printed packed shipped delivered refunded | 合格 不合格 待检 待复检 |
腾讯 石墨 金山 钉钉 飞书 百度 网易 阿里 谷歌 微软 | neighbour=neighbor concierge receptionist caretaker=janitor |
mayor bishop governor minister ambassador senator headmaster=headteacher=principal dean chancellor treasurer
secretary chairman=chairwoman=chairperson=chair | lorries cyclists=cyclist pedestrians=pedestrian
motorists=motorist=driver=drivers motorcyclists=motorcyclist | warehouse showroom depot workshop greenhouse | church
hotel restaurant hospital school bank bakery pharmacy=chemist supermarket | letter digit symbol | telephone=phone
email=mail fax | campus online | peanuts shellfish gluten lactose | nephews nieces | diabetes asthma epilepsy
pneumonia bronchitis arthritis | blood urine saliva stool | ankle rib skull | left-handed right-handed | passport
licence=license visa | invoice receipt quotation | gas electricity water | diesel petrol=gasoline kerosene | brakes
gearbox clutch radiator exhaust | roof floor ceiling wall | keyboard mouse monitor printer scanner projector=beamer
router | intern trainee apprentice | novel poem essay memoir | comedy tragedy thriller documentary | soprano alto
tenor bass | lecture seminar tutorial | bachelor master doctorate=phd | painting sculpture drawing photograph=photo |
tulip daisy lily sunflower orchid | cedar spruce=fir yew | wheat barley oats rye rice maize=corn | sapphire ruby
emerald diamond pearl | 校长 市长 院长 系主任 部长 省长 县长 镇长 村长 局长 处长 科长 厂长 店长 队长 组长 船长 馆长
所长 行长 董事长 总经理 副总=副总经理 教务长 护士长 书记 | 法务 出纳 会计 文员 保洁员=保洁 司机 采购员 仓管 客服
工程师 设计师 程序员 编辑 翻译 记者 摄影师 | 英语 法语 德语 日语 韩语 俄语 西班牙语 意大利语 葡萄牙语 阿拉伯语
汉语=中文 粤语 | 今晚 明晚 昨晚 后天晚上 | 今早 明早 昨早 | 上周 本周 下周 | 门卫=门卫处=传达室 前台 快递柜=丰巢 驿站
邻居 物业 收发室 家门口=门口 | 教堂 酒店=饭店=宾馆 餐厅 医院 学校 银行 邮局 超市 药店 车站 机场 | 车库 路边 草坪 广场
| 冷藏 冷冻 常温=室温 阴凉 | 自行车 行人 汽车 | 身份证 护照 驾照=驾驶证 户口本 社保卡 | 发票 收据 报价单 合同 | 汽油
柴油 煤油 天然气 | 刹车 离合器 变速箱 发动机 水箱 | 屋顶 地板 天花板 墙面 | 键盘 鼠标 显示器 打印机 扫描仪 投影仪
路由器 | 小说 诗歌 散文 回忆录 | 喜剧 悲剧 纪录片 动画片 | 油画 雕塑 素描 照片 | 玫瑰 百合 郁金香 菊花 牡丹 兰花 荷花
| 小麦 水稻 玉米 大豆 高粱 棉花 | 糖尿病 高血压 哮喘 肺炎 支气管炎 关节炎 冠心病 | 心内科 心外科 神经内科 骨科 儿科
妇科 皮肤科 眼科 口腔科 急诊科 消化科 呼吸科 | 抽血 验尿 心电图 核磁 彩超=B超 | 左膝 右膝 | 左眼 右眼 | 左肩 右肩 |
左脚 右脚 | 左腿 右腿 | 左臂 右臂 | 学生 家长 教师=老师 | 甲方 乙方 丙方 | 增值税 所得税 消费税 印花税 | 社保 医保
公积金 | 高等数学 线性代数 概率论 | 短信 电话 邮件=邮箱=电子邮件 微信 信件 | 口头 书面 电子 | 电梯 楼梯 扶梯 | 沙发
餐桌 书桌 衣柜 床垫 | 冰箱 洗衣机 空调 电视=电视机 微波炉 热水器 | 白酒 黄酒 红酒 啤酒 | 米饭 面条 馒头 饺子 包子 |
drove cycled walked flew sailed | drives cycles walks flies | bride groom bridesmaid | pencil pen crayon marker |
monastery castle cathedral lighthouse | 大学生 中学生 小学生 研究生 高中生 初中生 | 铅笔 钢笔 圆珠笔 毛笔 | 门口 柜子
窗台 | 早班 中班 晚班 夜班 | 前锋 后卫 中场 门将=守门员 | 红茶 绿茶 花茶 乌龙茶 | 现金 支票 转账 刷卡 | 上旬 中旬
下旬 | 第一季度 第二季度 第三季度 第四季度 | 省级 市级 县级 国家级 | 金牌 银牌 铜牌 | 特等 一等 二等 三等 | 大班 中班
小班 | 理科 文科 工科 | 双人床 单人床 | 国内 国际 港澳台 | 花生 海鲜 鸡蛋 芒果 酒精 花粉 | 法律=法学 医学 经济学
计算机 哲学 建筑学 | 税务局 法院 派出所 海关 检察院 居委会
"""
"""Words of one kind, of which a statement has one: another one says something else.

A bar ends a kind, and `=` joins words that say the same.
"""
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
        "should recommended advisable advised",
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
    "‹could›": ("could", "", ""),
    "‹might›": (
        "might perhaps possibly maybe probably reportedly allegedly supposedly presumably",
        r"could be(?! \w+(?:ed|en)\b)|(?:is|are|was|were) (?:likely|thought|believed|said|suspected|rumoured) to",
        r"(?<!尽)可能(?!性)|也许|或许|或将|恐怕|疑似|据说|据传|似乎|说不定|没准|推测",
    ),
    "‹surely›": (
        "certainly definitely surely undoubtedly",
        "(?:sure|bound|certain|guaranteed) to",
        "必定|必然|一定会|肯定会|确定会|认定|证实|确认是|断定|无疑",
    ),
    "‹undone›": (
        "",
        r"(?:should|ought to) have (?:been|\w+(?:ed|en|ne|ought|ept|eft|ent|old|ade))",
        "本应|本该|原应|早该",
    ),
    "‹will›": (
        "will considering",
        "(?:going|planning|hoping|due|about|plan(?:s|ned)?|intend(?:s|ed)?|(?:want|hope|expect|wish)(?:s|es|ed)?) to"
        "|would like to|(?:thinking|thought) (?:about|of)|(?:is|are) planned",
        "准备|準備|考虑|有意|有望|预计|计划|打算|拟于|即将|将要|将(?=[于在会对由为向从])",
    ),
    "‹done›": ("has have had was were", "", "已经|已經|已(?=[于在被由完经])|完成了|完毕"),
    "‹even if›": (
        "regardless",
        "even (?:if|when|though|before)|no matter|whether (?:\\w+ ){0,8}or not|irrespective of|in any case",
        "即使|即便|无论|无論|不论|不管|哪怕|与否",
    ),
    "‹only if›": (
        "",
        r"only (?:\w+ ){0,6}(?:if|when|after|once)|(?:if|when) and only",
        "只有|仅当|除非|才(?:[能会可]|會)|方可|方能",
    ),
    "‹if›": ("if provided", "(?:as|so) long as|on condition that", "如果|若|只要|倘若|一旦|假如|要是"),
    "‹works›": (
        "works fixed repaired operational functional mended",
        "up and running|(?:is|are) working|in (?:working order|service|operation)|back (?:online|up|in service)",
        "恢复(?:运行|使用|正常)|运行正常|正常(?:运行|使用|工作)|修好|已修复",
    ),
    "‹broken›": (
        "broken faulty defective",
        "out of (?:order|service|action)|(?:is|are|was|were) down|under repair|(?:breaks?|broke) down"
        "|stop(?:s|ped) working",
        "坏了|坏掉|故障|正在维修|维修中|失灵|出了?问题|停用",
    ),
    "‹available›": ("available", "(?:in stock|on sale|for sale)(?! out)", "有货|有票|在售|有房|可预订"),
    "‹gone›": (
        "unavailable",
        "sold out|out of stock|no longer available|fully booked|booked (?:up|out)",
        "售罄|缺货|卖完|卖光|售完|无货|满房|订满|约满|抢光",
    ),
    "‹beforehand›": ("beforehand upfront", "in advance|up front", ""),
    "‹afterwards›": ("", "on (?:delivery|arrival|receipt|departure)|in arrears", ""),
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
forbidden/needless must/should must/can must/may should/may will/may may/done must/might must/done could/will
could/done could/must surely/might surely/could surely/may undone/should undone/done undone/must should/can
should/done can/done might/will might/done will/done if/even_if if/only_if even_if/only_if than/as
"""
OPPOSITE: dict[str, set[str]] = {}
"""The opposites of each word."""
for _one, _other in (_pair.split("/") for _pair in _PAIRS.split()):
    OPPOSITE.setdefault(_one, set()).add(_other)
    OPPOSITE.setdefault(_other, set()).add(_one)
CONTRASTS: dict[str, Set[str]] = {word: set(others) for word, others in OPPOSITE.items()}
"""The same with more words. These are not among the opposites, which the trained classifiers count."""
for _one, _other in [
    *(_pair.split("/") for _pair in _MORE.split()),
    *([f"‹{_mode.replace('_', ' ')}›" for _mode in _pair.split("/")] for _pair in _MODES_APART.split()),
]:
    for _word, _opposite in ((_one, _other), (_other, _one)):
        _word, _opposite = _word.replace("½", "1/2"), _opposite.replace("½", "1/2")
        CONTRASTS[_word] = CONTRASTS.get(_word, frozenset()) | {_opposite}
ONE_OF_MANY = set(MODES)
"""Words of which one that is denied does not say another: what is not red need not be blue."""
for _kind in _EITHER.split("|"):
    _words = [_same.split("=") for _same in _kind.split()]
    _all = frozenset(chain(*_words))
    ONE_OF_MANY |= _all
    for _same in _words:
        for _word in _same:  # words of a large kind share one set
            _others = _all if len(_same) == 1 else _all.difference(_same)
            CONTRASTS[_word] = CONTRASTS[_word] | _others if _word in CONTRASTS else _others
STRONG = frozenset(ONE_OF_MANY) - {"‹done›", "‹will›", "‹than›", "‹as›"}
"""Words whose opposites mean much though more words differ."""
POLAR = word_set(
    "always never usually rarely often seldom hardly frequently sometimes everybody everyone nobody both neither all"
    " none 总是 从不 从来 经常 常常 很少 偶尔 通常 大家 没人"
)
"""Words that turn what is said into its opposite."""
TERMS = frozenset(word for word in CONTRASTS if len(word) > 1 and not word.isascii() and word not in MODES)
"""Those that are longer than a token."""
_BY_FIRST: dict[str, list[str]] = {}
for _word in sorted(TERMS, key=lambda term: (-len(term), term)):
    _BY_FIRST.setdefault(_word[0], []).append(_word)


def terms(low: str) -> list[str]:
    """Return the terms of a text in lower case, of those that begin at one place the longest."""
    found, at = [], 0
    while at < len(low):
        term = next((term for term in _BY_FIRST.get(low[at], ()) if low.startswith(term, at)), "")
        if term:
            found.append(term)
        at += len(term) or 1
    return found
