"""Sixty texts that fill ten templates, six each: what they share is the form, so no two are duplicates."""

FRAMES = {
    "minutes": """# Minutes of the parish council

Present: the chair, the clerk, the treasurer. Apologies were read and accepted.
The minutes of the previous meeting were approved without changes.

## Matters discussed

{}

## Next meeting

The next meeting is held in the usual room. The chair thanked everyone and closed the meeting.
""",
    "diary": """# Daily note

Mood: neutral. Weather: unknown. Template: daily.

## Tasks

- Review the inbox
- Water the plants
- Stretch for ten minutes

## Log

{}

## Gratitude

## Tomorrow
""",
    "invoice": """INVOICE

Lindqvist & Sons, joinery and restoration, Harbour Lane
Thank you for your order. We charge for the following work:

{}

Please pay within the agreed term to the account below. Interest is charged on late payments.
Goods remain our property until they are paid in full. The general terms of trade apply.
""",
    "ticket": """Dear customer,

thank you for contacting our support team. We have received your request and looked into it.

{}

If this does not solve the problem, please answer this message and we open the ticket again.

Kind regards
Your support team
""",
    "status": """Hello all,

here is the short status from the team.

{}

Best wishes
Anneliese Brandt
Head of operations, Nordwind Logistics
This message may hold confidential information. If it was sent to you by mistake, please delete it and tell the sender.
""",
    "release": """Release notes

How to upgrade: stop the service, replace the binary, start the service. Make a backup before you upgrade.

Changes:
{}

Known issues: none. Thanks to everyone who reported bugs and sent patches. Licence: MIT.
""",
    "weekly": """Weekly report

Team: infrastructure. Reporting period: last week. Status: green.

Done:
{}

Blocked: nothing. Risks: none that are new. Help needed: none.
Next steps: as planned. Budget: on track. Staffing: no changes.
""",
    "recipe": """Serves the whole family. Preparation is simple and needs no special tools.

Ingredients and method:
{}

Tip: leftovers keep for some days in the fridge. Let the dish cool before you cover it.
Rate this recipe and leave a comment! Subscribe to our newsletter for more ideas from the test kitchen.
""",
    "周报": """工作周报

部门：技术支持部。状态：正常。审批：已提交。

本周工作：
{}

存在问题：暂无。需要支持：暂无。
下周计划：按照既定安排继续推进各项任务，做好总结和汇报。
""",
    "listing": """Home | Shop | About us | Contact | Basket
Free delivery on all orders. Returns are easy. Secure payment with all common cards.

{}

You may also like these. Customers who looked at this also looked at other things.
Follow us. Terms of use. Privacy notice. Imprint. All rights reserved.
""",
}

ENTRIES = {
    "minutes": (
        "The roof of the chapel leaks above the organ. A builder from the village offers to replace the slates.",
        "Residents complain about fast cars near the school. The clerk asks the county for a speed survey.",
        "The summer fair needs volunteers for the cake stall and somebody to judge the dog show.",
        "An old oak on the green has honey fungus. A tree surgeon should say whether it can be saved.",
        "Broadband in the outlying farms is slow. A company presented its plan for a wireless mast.",
        "The cemetery is nearly full. Two fields beside it could be bought from the estate.",
    ),
    "diary": (
        "Signed the lease for the allotment and met the beekeeper next door.",
        "The cat hid in the piano and would come out only for sardines.",
        "Finished a chapter of the thesis, then threw half of it away again.",
        "A plumber came about the boiler and found a bird's nest in the flue.",
        "Our ferry was cancelled by fog, so we played cards in the terminal.",
        "Learned to fold dumplings from my neighbour's grandmother.",
    ),
    "invoice": (
        "Repair of a sash window in oak, with new cords and putty.",
        "A staircase of ash with turned balusters, delivered and fitted.",
        "French polishing of a mahogany dining table and its leaves.",
        "Kitchen worktops from beech, oiled, with a cut for the sink.",
        "Restoration of a painted pine chest, woodworm treatment.",
        "Bookshelves to measure for the alcoves in the study.",
    ),
    "ticket": (
        "Your router drops the connection because its firmware is outdated; we have pushed an update.",
        "The parcel went to a neighbour. The driver has taken a picture of the blue door where it was left.",
        "Your password cannot be reset since the mail address has a typing error, which we corrected.",
        "The charger smells burnt as its fuse was bridged. Stop using it; a replacement is on the way.",
        "Subtitles are missing in the film since the licence for them ended. We gave you a voucher.",
        "Your printer feeds two sheets at once. The roller is worn, and a cleaning kit should help.",
    ),
    "status": (
        "The new conveyor in the Bremen depot runs, and sorting takes half the time.",
        "Three drivers passed the exam for dangerous goods and take over the chemical tours.",
        "Rats chewed the cables of the cold store; the electrician replaces them tonight.",
        "The customs software rejects Swiss declarations, and the vendor promises a patch.",
        "We signed the contract for solar panels on the roof of the main hall.",
        "The football tournament raised money for the children's hospice.",
    ),
    "release": (
        "- thumbnails are made lazily, which makes large albums open quickly",
        "- dark theme for the settings dialog and the file picker",
        "- the importer understands calendars exported from phones",
        "- fixed a crash when the microphone is unplugged while recording",
        "- keyboard shortcuts can be changed and exported to a file",
        "- translations into Basque, Welsh and Maori were added",
    ),
    "weekly": (
        "Moved the mail server to new hardware and retired the tape robot.",
        "Wrote the runbook for failed disks and drilled it with the night shift.",
        "Replaced expired certificates on the internal wiki and the chat.",
        "Measured the latency between offices and found a faulty switch in Ghent.",
        "Interviewed candidates for the database post and made an offer.",
        "Cleaned up firewall rules nobody could explain any longer.",
    ),
    "recipe": (
        "Fry leeks and mushrooms in butter, pour cream over them and bake with gruyere.",
        "Soak chickpeas overnight, blend with tahini, lemon and garlic, serve on flatbread.",
        "Marinate salmon in miso, grill it quickly and scatter sesame over rice.",
        "Rub flour into suet, roll out, fill with steak and kidney, steam slowly.",
        "Beat egg whites with sugar, fold in almonds, bake meringues until crisp.",
        "Char aubergines over a flame, mash with yoghurt, mint and pomegranate.",
    ),
    "周报": (
        "完成了机房空调的更换，清理了旧的网线。",
        "给新来的同事做了消防培训，检查了灭火器。",
        "修复了订单导出时乱码的缺陷，补充了测试用例。",
        "拜访了上海的两家供应商，谈妥了屏幕的价格。",
        "整理了仓库里的备件，报废了一批坏掉的电池。",
        "写完了年会的主持稿，联系了乐队和摄影师。",
    ),
    "listing": (
        "Enamel kettle in forest green with a whistle, for gas and induction.",
        "Hammock of recycled cotton with spreader bars and a travel bag.",
        "Wooden marble run with bells, tunnels and a spiral tower.",
        "Pruning saw with a curved blade and a leather sheath.",
        "Reading lamp with a clamp and a shade of pleated linen.",
        "Waterproof pannier for bicycles, roll top, reflective stripes.",
    ),
}

TEXTS = {
    f"{name}-{number}": FRAMES[name].format(entry)
    for name, entries in ENTRIES.items()
    for number, entry in enumerate(entries, 1)
}

REWORDED = {
    "minutes": (
        "There is a leak in the chapel roof over the organ. A village builder will replace its slates.",
        1,
    ),
    "ticket": ("The router loses its connection as the firmware is outdated. We pushed an update to it.", 1),
    "invoice": ("Repair of an oak sash window with new cords and new putty.", 1),
    "weekly": ("Moved our mail server to the new hardware; the tape robot is retired.", 1),
}
"""Real duplicates in the same frames: another wording of the entry with that number."""
