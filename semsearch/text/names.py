"""Find the names of people, places, companies and colours, in English and Chinese, by what stands next to them."""

import re
from itertools import chain

from semsearch.text.units import UNITS
from semsearch.text.words import TOKEN, word_set

_ACRONYM = re.compile(r"(?<![\w.])[A-Z]{2,3}(?![\w'’])")
_LABEL = re.compile(r"(?:(?<![A-Za-z])[A-Za-z]{3,}[ -]|[\u4e00-\u9fff])([A-HJ-Z])(?![A-Za-z0-9'’])")
"""A letter that labels: pier A, 选项B."""
_INITIAL = re.compile(r"(?<![\w.'’])([A-HJ-Z])\.?(?=(?: [A-Z])? [A-Z][a-z])")
"""The first letter of a name, in its place."""
_CALENDAR = word_set(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug"
    " sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mr mrs ms dr doctor prof i"
)
_ABBREVIATED = {
    "st": "street", "rd": "road", "ave": "avenue", "blvd": "boulevard", "mt": "mount", "ft": "fort", "ltd": "limited",
    "inc": "incorporated", "corp": "corporation", "univ": "university", "dept": "department",
}  # fmt: skip
"""Parts of names that are often cut short."""
_FAMILY = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹"
    "熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段钱汤尹黎易常武乔贺赖龚文張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許呂蘇盧蔣賈葉閻鐘譚鄒陸顧龍萬錢湯賴龔"
)
"""Chinese family names."""
_TITLED = re.compile(
    rf"([{_FAMILY}][\u4e00-\u9fff]{{0,2}}?)"
    "(?:先生|女士|小姐|太太|夫人|老师|老師|教授|医生|醫生|大夫|博士|经理|經理|主任|律师|律師|师傅|師傅|总(?![是有要会能共体结])|阿姨|叔叔|同学|同學"
    "|同志|[工姐哥叔婶嫂伯董](?![作人程厂业资地具匠事])|[班队院校局处科部组会所厂店机船站]长|書記|书记|教练|工程师|法官|警官|护士|師父|导师)"
)
"""A Chinese family name, or a whole name, before a title."""
_HAN_NAME = re.compile(
    rf"(?:(?<![\u4e00-\u9fff])|(?<=[的是由请給给和与跟为為让讓找叫向对對明师師理任长長员員友及]))"
    r"(?!(?<=任)何)"  # 任何
    rf"([{_FAMILY}][\u4e00-\u9fff]{{1,2}})(?=[的，。、；：,.;:!?！？)）是在将已会和与于]|\s*$|获|负责|担任|主持|主讲|表示|介绍|宣布|提出|参加|出席|说)"
    r"|(?:孩子|儿子|女儿|丈夫|妻子|学生|学员|客户|用户|员工|患者|病人|同事|会员|业主|作者|导演|编辑|主编|记者|司机|选手|嘉宾|代表|[人者手员])"
    rf"([{_FAMILY}][\u4e00-\u9fff]{{1,2}})"
)
"""A Chinese word that may be a name, by what stands next to it."""
_NAMING = (
    "[^\\W\\d_a-zA-Z在有去到的是和与好上下一两个家所我你他她们还从回往这那各本该贵同其某每座条條给把被让对向由于为将已又也都很太更最再"
    "就才却了过着地得之而且或及跟不没未无请要会能可进出来]"
)
"""A character of a name, and no particle or verb that often stands before one."""
_TRADES = (
    "科技|贸易|商贸|实业|电子|机械|建材|食品|服饰|物流|建筑|信息|软件|网络|咨询|投资|医药|化工|五金|塑料|家具|印刷|广告|传媒|文化|教育|旅游"
    "|餐饮|汽车|电器|环保|生物|能源|电力|钢铁|纺织|包装|置业|地产|物业|保险|证券|租赁|农业|技术|电气|材料|设备|装饰|工程"
)
"""The trade in the name of a Chinese company."""
_PLACE = re.compile(
    f"{_NAMING}(?:州|市|县|縣|区|區|镇|鎮|村|路|街|巷|港|岛|島|厂|廠|桥|橋|乡|鄉|寺|湖|山|科)"
    f"|{_NAMING}{{2}}(?:公园|广场|大学|学院|中学|小学|医院|酒店|饭店|宾馆|机场|车站|大厦|商场|超市|银行|公司|书店|剧院|博物馆)"
    "|[深浅墨天草粉淡暗亮米藏湖卡棕橘橙玫酒紫大鲜翠宝嫩银]?[红紅橙黄黃绿綠蓝藍青紫粉棕褐灰黑白金银銀米啡橘杏驼牙茶其玫檀铜]色(?!列)"
    f"|{_NAMING}{{2}}(?:{_TRADES})?(?:有限|股份|集团|集團)"
)
"""The last characters of the name of a Chinese place, a road, a house, a colour or a company."""
_SUBJECT = re.compile(
    r"\W*([A-Z][a-z]+(?<!s)) (?:is|was|will|has|had|can|must|should|may|does|did|says|said|wants|needs|sends|sent"
    r"|took|won|lost|beat|made|came|went|gave|left|found|told|saw|got|held|led|scored|[a-z]+ed)\b"
)
"""A word that begins a sentence and has its verb next to it."""
_NO_SUBJECTS = word_set(
    "he she it they we you this that there here who what which where when how why one each all both neither either none"
    " everything everyone everybody anyone anybody anything someone somebody something nothing nobody another other not"
    " today tomorrow yesterday mine ours yours hers theirs"
)
_INNER_CAPITAL = re.compile("[a-z][A-Z]")
"""The middle of a name such as PostgreSQL."""
_STARTS = frozenset((".", "!", "?", "\n", "“", '"', "#", "*", "-", "(", ">", "|"))
_NONE: frozenset[str] = frozenset()


def names(text: str) -> frozenset[str]:
    """Return the names in a sentence, in lower case, and the letters that label or begin one as they are."""
    found = set[str]()
    if not _plain(text):
        found.update(_capitalised(text), _LABEL.findall(text), _INITIAL.findall(text))
    if (subject := _SUBJECT.match(text)) and (name := subject[1].lower()) not in _NO_SUBJECTS:
        found.add(name)
    if not text.isascii():
        found.update(
            _TITLED.findall(text), _PLACE.findall(text), filter(None, chain(*_HAN_NAME.findall(text)))
        )
    return frozenset(found)


def acronyms(text: str) -> frozenset[str]:
    """Return the names in capitals in a sentence, such as U.S. and UK, in lower case and without dots."""
    if _plain(text) or text.isupper():
        return _NONE
    return frozenset(map(str.lower, _ACRONYM.findall(text))) - UNITS


def _plain(text: str) -> bool:
    """Return True for a text that has no name: no capital but as its first character."""
    return text[1:].islower() and "@" not in text


def _capitalised(text: str) -> frozenset[str]:
    """Return the words, in lower case, that have a capital within a sentence whose words mostly have none."""
    found, words, capitals = set(), 0, 0
    before = "\n"
    for match in TOKEN.finditer(text):
        token = match[0]
        if token[0].isalpha():
            words += 1
            if token[0].isupper() and before not in _STARTS:
                capitals += 1
                if (token[1:].islower() or _INNER_CAPITAL.search(token)) and _CALENDAR.isdisjoint(
                    (token.lower(), token.lower().removesuffix("s"))
                ):
                    name = token.lower().removesuffix("'s").removesuffix("’s")
                    found.add(_ABBREVIATED.get(name, name))
            elif before == "@":
                found.add(token.lower())
        before = token[0]
    return frozenset(found) if found and capitals * 2 <= words + 1 else _NONE
