"""Questions and remarks on everyday subjects, which stand for those that an index has no answer to.

They are our own sentences, from one word to thirty, on as many subjects as there are lines, so that few of them are
about what any one index is about; see `semsearch.search.relevance`.
"""

ENGLISH = """\
hello
sourdough
parking permit
good morning
wedding speech
mountain bikes
thank you
lost luggage
tax return
guitar chords
swimming pool hours
cheap flights
how are you
tell me a joke
lawn mower repair
best pizza nearby
chess openings
marathon training plan
knitting patterns for beginners
train to the airport
who won the match
what time is it
I am bored
call my mother
turn off the lights
jazz festival tickets
dentist appointment
rain tomorrow
birthday cake ideas
cat litter
sdfkjh wqeoiu
blorpt zanfle
xkqz
qwpo rutyg mbnv
tramvel ostigor plinth
asd fgh jkl
how long do you boil an egg
what should I wear to a job interview
is it going to snow this weekend
can you recommend a good film for tonight
where can I park my car downtown
how do I get red wine out of a carpet
why does my dog bark at the postman
which wine goes with grilled fish
how much should I tip the hairdresser
when do the clocks go back
what is the capital of Mongolia
how old do you have to be to rent a car
who painted the ceiling of that chapel
what are the rules of offside
how do I remove a stripped screw
how do you fold a fitted sheet
does the museum open on public holidays
how deep should tulip bulbs be planted
what is the cheapest way to send a parcel abroad
are there any vegetarian restaurants by the harbour
how do I renew my passport
which bus goes to the old town
what do you call a group of crows
how can I learn to whistle with my fingers
why do leaves turn yellow in autumn
how far is the moon
do you have this shirt in a larger size
what rate of interest do savings accounts pay
how do I stop my neighbour's tree from growing over the fence
is the museum café open on Mondays
how does a sewing machine make a stitch
how many players are in a rugby team
what happened at the end of the last season of that show
how do I tune a piano at home
where did the name of our street come from
can I take my bicycle on the ferry
what makes bread rise
how do penguins keep warm
which mobile phone has the best camera for the money
how often should the oil of a diesel engine be changed
what is a fair rent for two rooms near the station
how are elections to the upper house held
why was the old bridge torn down
how do I teach my child to ride a bicycle
what does a notary do
how is cheese made
what is the difference between a crocodile and an alligator
can a landlord keep the deposit for scratches on the floor
what is good against a sore throat
do vitamins help with a cold
how much sleep does a teenager need
is running bad for the knees
how do I connect my printer to the wireless network
why is my laptop so slow since yesterday
how do I move photos from my phone to the computer
what should I do when I forgot my password
which keyboard shortcut takes a picture of the screen
how do I write a formula that adds up a column
The best way to peel a mango is with a glass.
The hotel was clean, but breakfast was disappointing.
Our team lost three to one after a weak second half.
She moved to Lisbon last spring and opened a small bakery.
The old lighthouse has been empty since the war.
Prices of coffee have doubled within a year.
Nobody told us that the concert had been moved to another hall.
Too much salt in the soup can be balanced with a potato.
The council will decide on the new bicycle lanes in March.
Volcanic soil makes the wine of the island taste of stone.
The dress was sewn from a curtain by her grandmother.
Steel rusts faster near the sea.
Trains were late all morning because a tree had fallen on the line.
The goalkeeper will be out for six weeks with a broken finger.
I would like to book a table for four people on Saturday evening, if possible outside and not next to the kitchen.
My flight was cancelled because of a storm and the airline does not answer the phone; how can I get my money back?
We are planning a trip through the Alps by train with two small children: which villages are nice to stay in, and when?
The washing machine makes a loud noise when it spins and there is water on the floor; can I repair it myself?
My tomatoes have brown spots on the leaves since it rained so much, although I water them only in the morning.
After the last meeting the club decided to buy new chairs, to paint the hall, and to raise the yearly fee by five euros.
What should a beginner look for when buying a used motorbike, and is it wise to take someone along who knows engines?
In the second act the queen learns that her brother is alive, and the chorus sings of the ships that never came home.
Could you write a short and friendly poem for my colleague, who retires on Friday after thirty years in the post office?
The river flooded the lower part of the town three times in the last century, and each time the market was rebuilt.
Sales of electric cars rose by a third last year, while fewer people than ever before bought a car with a diesel engine.
The museum shows more than two hundred paintings of the harbour, most of which had been kept in an attic for decades.
Which papers does my daughter need for a school exchange in Canada, and how long before it should we ask for them?
Bake the pie for forty minutes, let it cool in its form, and serve it with cream and a few leaves of mint on top.
If the heating does not get warm although the valve is open, let the air out of it with a small key and add some water.
The opposition criticised that the budget contains no money for the swimming pool, which has been closed since October.
Most birds of this kind spend the winter in the south of Spain and come back in the first warm week of April.
When two players have the same number of points, the one with more wins takes the higher place in the final table.
"""

CHINESE = """\
你好
天气
谢谢
停车证
早上好
红烧肉
订机票
讲个笑话
你叫什么名字
我很无聊
附近的披萨店
婚礼致辞
行李丢了怎么办
明天会下雨吗
谁赢了昨天的比赛
现在几点了
鸡蛋要煮多长时间
面试的时候应该穿什么衣服
市中心哪里可以停车
怎样去掉地毯上的红酒渍
为什么我家的狗总对邮递员叫
烤鱼配什么酒比较好
蒙古的首都是哪里
多大年纪才可以租车
越位的规则是什么
博物馆在节假日开门吗
郁金香的球根要种多深
寄包裹到国外哪种方式最便宜
护照到期了怎样更换
去老城区坐哪一路公交车
秋天树叶为什么会变黄
月亮离我们有多远
这件衬衫有没有大一号的
存款的利息现在是多少
怎样教孩子骑自行车
感冒的时候吃维生素有用吗
青少年每天需要睡多长时间
怎样把手机里的照片传到电脑上
忘记密码了应该怎么办
打印机连不上无线网络
咖啡的价格一年之内涨了一倍
这家酒店很干净可是早餐不太好
我们队下半场踢得不好最后输了
她去年春天搬到海边开了一家面包店
洗衣机脱水的时候声音很大地上还有水能不能自己修
航班因为暴风雨取消了航空公司不接电话怎样才能退钱
我们打算带两个孩子坐火车去山里旅行住在哪个村子比较好
西红柿的叶子上长了褐色的斑点是不是最近雨下得太多
请帮我给下星期退休的同事写一首简短又亲切的诗
买二手摩托车的时候新手应该注意哪些地方
"""
