"""Small words that are frequent in one language and rare in others, and letters that few languages have."""

# ruff: noqa: RUF001  letters of other scripts are what this module is made of

# As people type them, in lower case, with and without accents; what stands before an apostrophe is a word with it.
FUNCTION_WORDS = {
    "en": (
        "the of to and in is it you that he was for on are with as his they be at this have from or had by "
        "what some we can out other were all there when up use your how said an each she which do their time "
        "if will about many then them would like so these her my make him into has look more write go see no "
        "could people than been who its now find down did get come made may part me ur im pls please "
        "dont doesnt didnt cant thanks whats not but just am should want need give does why any only after because "
        "before between where hey explain list show help tell using text word words short long two three "
        "first last new one lines line english too says day days year something anything someone without over "
        "under off really very still every both same per week work good best better keep put got gets getting "
        "doing being mine yours our i' don' it' that' isn' doesn' didn' can' what' won' you' we' he' there' "
        "let'"
    ),
    "de": (
        "der die das und ist ich nicht ein eine einen einem einer des den dem mit auf für von zu im wir sie "
        "es auch wie bei oder aus was wenn aber nach noch nur man sich über wird sind war hat haben kann "
        "können mein meine meinen dein ihr ihre bitte mir mich dass zum zur vom ja soll schreib warum um dann "
        "als doch schon mal unter vor werden diese dieser kein keine gibt heißt danke hallo etwas sehr mehr "
        "uns du au mach sag gib wieviel welche welcher welches wo wer heute jetzt hier da so beim ins ans "
        "gilt pro am bis ab ohne zwei deutsch deutsche wäre würde müssen sollte muss habe hab bin bist seid "
        "alle alles jeder jede ganz gern viel viele"
    ),
    "fr": (
        "le la les de des du un une et est que qui dans en pour pas sur au aux avec ce cette ces il elle je "
        "tu nous vous ils mon ma mes ton sa son ses leur par plus ne se ou mais où donc comme tout tous fait "
        "être sont été avoir ai as avez qu si quel quelle quoi comment pourquoi très sans sous entre peux moi "
        "merci bonjour votre notre faut bien aussi après avant quand même chez l' d' c' j' n' s' qu' m' t' "
        "jusqu' lorsqu' ça ca stp svp fais faire peut veux dis voici combien nos vos leurs chaque sois suis"
    ),
    "es": (
        "el la los las de del que en un una es por con para no se lo me te mi tu su al le como más pero sus "
        "ya si sin sobre este esta esto ese esa eso entre cuando muy hay también fue era ser son está están "
        "tiene tengo hacer puede puedo qué cómo cuál nos les porque donde dónde desde todo todos hasta yo "
        "ella ellos unos unas mis algo quiero necesito hola gracias hoy aquí así solo dos cada sea xq dame "
        "dime hazme mil uno tres pa mas cual cuanto cuánto cuántos antes después luego ahora menos otro otra "
        "otros mejor español"
    ),
    "pt": (
        "os as de do da dos das que em um uma é por com para não se no na nos nas ao aos à mais mas como seu "
        "sua seus meu minha me te ele ela você vocês eu já ou foi ser são está estão tem tenho muito também "
        "quando qual isso isto esse essa este esta pelo pela até sem sobre só depois entre porque quero "
        "preciso pra pro vc oi obrigado obrigada aqui onde fazer pode posso uns cada nem tá gente dá faz faça "
        "quanto quantos nao dois duas agora antes mim dele dela num numa todos todas"
    ),
    "it": (
        "il lo la gli le di del della dei delle dello da dal in un una uno è che per con non si su sul sulla "
        "nel nella al alla ai come più ma anche se mi ti ci mio mia tuo sua suo questo questa questi sono ho "
        "ha hai hanno essere era cosa perché quando dove chi quale poi già molto tutto tutti fare fa può "
        "posso vorrei ciao grazie senza ogni dopo prima loro lui lei io tu noi solo l' d' c' "
        "un' dell' all' nell' sull' dall' com' cos' quell' perche piu fai dammi devo voglio bene sto stai cmq "
        "quanto quanti due fra tra"
    ),
    "nl": (
        "de het een en van ik is dat in op te zijn met voor niet aan er om dan maar als ook bij nog wat of "
        "naar uit door over je jij mijn we ze hij die deze dit hoe waarom wel geen wordt worden kan kunnen "
        "heb heeft hebben moet wil mij me ons onze jullie al zo meer veel dus toch tot na waar wie graag "
        "bedankt hallo want onder tegen moeten was waren zou goed gaan mag mogen eens even welke tussen "
        "aantal mn ff zonder zit iets iemand alle alles altijd"
    ),
    "pl": (
        "na do nie się to jest że jak co po dla od za przez przy ale czy tak już tylko był była było być są "
        "ma mam może można jego jej ich ten ta te tego tej tym który która które mi mnie my wy on ona oraz "
        "lub bez gdy kiedy gdzie dlaczego proszę chcę jeszcze bardzo więc bo także ze pod nad przed między "
        "mój moja moje nam sobie jestem masz ktoś coś dziś cześć dzięki zł napisz zeby sie ktory ktorzy byl "
        "moze prosze bedzie tez czesc mniej więcej wiecej dwa trzy"
    ),
    "sv": (
        "och att det som en på är av för med till den jag inte om ett har de var kan men man så från vi han "
        "hon hur vad ska eller när mig min mitt mina dig din ditt nu alla sig ut också efter bara finns vill "
        "får skulle varför där här mycket utan under mellan du ni oss dem dessa denna detta blir bli ha vara "
        "kunna hej tack någon något sin sitt sedan"
    ),
    "da": (
        "og at det som en på er af for med til den jeg ikke om et har de var kan men man så fra vi han hun "
        "hvordan hvad skal eller når mig min mit mine dig din dit nu alle sig ud også efter kun findes vil "
        "får skulle hvorfor der her meget uden under mellem du os dem disse denne dette bliver blive have "
        "være kunne hej tak nogen noget hvis jer lige blev havde lav hvilken hvilke år sådan altså jeres lidt "
        "mange længe nogle gange pr"
    ),
    "no": (
        "og at det som en på er av for med til den jeg ikke om et har de var kan men man så fra vi han hun "
        "hvordan hva skal eller når meg min mitt mine deg din ditt nå alle seg ut også etter bare finnes vil "
        "får skulle hvorfor der her mye uten under mellom du oss dem disse denne dette blir bli ha være kunne "
        "hei takk noen noe hvis dere litt hvor ble hadde lag hvilken hvilke år slik altså deres mange lenge "
        "ganger gjør vær"
    ),
    "fi": (
        "ja on ei se että en ovat oli mutta kun niin tai jos myös kuin mitä miten miksi minä sinä hän me te "
        "he minun sinun sen tämä tämän tässä nyt vain vielä sitten joka jotka ole olen onko voi voisi voin "
        "kanssa mukaan koska kuinka mikä missä mun sun mä sä oon moi kiitos pitää olisi kaikki jo sekä ennen "
        "jälkeen siitä siinä"
    ),
    "tr": (
        "ve bir bu da de için ile ne mi mı mu mü çok ama gibi daha var yok ben sen biz siz bana sana beni "
        "bunu şu her en kadar sonra önce nasıl neden niye olarak olan oldu değil ki ya hem şey ise diye benim "
        "senin bizim onun ona lütfen merhaba teşekkürler hangi hiç bile göre yani şimdi iki zaman istiyorum "
        "lazım olur mısın misin bi te ta nedir kaç saat gün son üç tane kişi bunun gore tek yap yaz"
    ),
    "id": (
        "yang dan di ke dari ini itu untuk dengan tidak adalah saya aku kamu anda dia kami kita mereka ada "
        "akan bisa juga atau pada dalam oleh karena sudah belum apa bagaimana kenapa mengapa kalau jika "
        "seperti lebih tapi tetapi sangat hanya lagi mau buat gak nggak ga yg nya aja udah gimana tolong "
        "terima kasih bukan harus sama para bahwa agar biar banget dong sih gue lu pak saat setiap jadi per "
        "tgl brp berapa bulan tahun hari orang satu dua tiga jangan lain banyak baru bahasa supaya sampai pas "
        "tadi nanti cuma kok dlm utk dgn sdh jgn dr pake"
    ),
    "vi": (
        "và của là có không cho các một những được trong với này đó để người tôi bạn em anh chị mình khi đã "
        "đang sẽ thì mà ra vào lại nào gì sao như từ trên về đến hay hoặc nếu nhưng vì cũng rất nhiều làm thế "
        "viết giúp ạ nhé cái con theo còn phải bị nó họ chúng cần muốn hỏi ở ơi ko mỗi giờ ngày năm"
    ),
    "cs": (
        "na se je že to do jak ale za pro po tak jsem si co už jen nebo by byl byla bylo být jsou má mám může "
        "od ze ve při který která které jeho její jejich ten ta ty tento tato toto mi mě my vy on ona také "
        "když kde proč prosím chci ještě velmi protože bez pod nad před mezi můj moje nám není jako aby dnes "
        "ahoj díky děkuji mně jestli než tady potřebuju jake jsme jste mely pak musi napis jeden jedna dve "
        "ktery ktera jmeno udelej"
    ),
    "ro": (
        "și în de la cu pe pentru este nu că un se din mai ce care sau ca dar sunt am ai are au fi fost dacă "
        "cum unde când cât cine lui ei eu tu el ea noi voi meu mea mi îmi te îți ne vă le lor acest această "
        "asta după fără despre foarte tot toate doar până prin între vreau trebuie poate pot salut mulțumesc "
        "si sa să ale al cei cele iar face"
    ),
    "hu": (
        "az és hogy nem is egy ez van de meg csak már ha mint vagy volt én te ő mi ti ők lehet kell még el ki "
        "fel be le ezt azt ami aki mit miért hogyan hol mikor nagyon szerint után előtt között minden itt ott "
        "most nekem neked kérlek köszönöm szia vannak lesz lenne kellene nincs sem pedig amit akkor vagyok"
    ),
    "tl": (
        "ang ng sa na mga at ay ko ako mo ka siya kami tayo kayo sila ito iyan iyon yung yun para hindi di po "
        "opo kung pero kasi may wala meron ba lang din rin daw pa naman dahil paano bakit ano sino saan "
        "kailan nang nila niya namin natin nyo mag isang gusto pwede salamat kapag bago ni kay"
    ),
    "sw": (
        "na ya wa kwa ni katika la za cha vya kuwa hii hiyo huu haya hizo yangu yako yake wangu wako wake "
        "nini kama lakini au pia sana siyo si mimi wewe yeye sisi nyinyi wao kila baada kabla jinsi gani vipi "
        "tafadhali asante habari nataka naomba hapa bila ili kuhusu zaidi leo bado tu hapana ndiyo ambayo "
        "ambao moja mbili"
    ),
    "ru": (
        "и в не на что с по я как это а то все но его к за он мы из у так же от для вы ты она они или если бы "
        "о мне меня мой моя мои ли когда где чтобы только ещё еще уже был была было быть есть нет да до при "
        "под без над который которая которые тебя тебе вас нам нас их ее её ну почему сколько можно нужно "
        "надо очень привет спасибо сделай напиши потом тут там кто чем после между этот эта эти че чё чтоб ж "
        "какой какая какие какое наш своей свой себя два раза просто через сделать написать из-за будет тоже "
        "можешь помоги"
    ),
    "uk": (
        "і в не на що з по я як це а то все але його до за він ми із у так же від для ви ти вона вони або "
        "якщо би о мені мене мій моя мої чи коли де щоб тільки ще вже був була було бути є немає та при під "
        "без над який яка які тебе тобі вас нам нас їх її чому скільки можна треба дуже привіт дякую зроби "
        "напиши потім тут там хто після між цей ця ці й"
    ),
    "bg": (
        "и в не на че с по аз как това а то всички но го за той ние от у така ще вие ти тя те или ако да ми "
        "ме мой моя мои ли когато къде само още вече беше бил съм си е са сме има няма до при под без над "
        "който която които теб вас нас ги им защо колко може трябва много здравей благодаря направи напиши "
        "после тук там кой след между този тази тези ни се какво"
    ),
    "ar": (
        "في من على إلى الى أن ان عن هذا هذه التي الذي ما لا هل كيف مع كان كانت هو هي أو او ثم لم لن قد كل بعد "
        "قبل بين إذا اذا لكن أنا انا أنت انت نحن عند حتى ولا وما لي له لها منه فيه عليه ذلك تلك لماذا متى أين "
        "اين كم شو ايش وش ليش مش غير أي اي يا عندي لازم اكتب شكرا مرحبا اللي بس علي يعني ايه عشان فيها كلمة "
        "ده دي دا ليه ازاي هاد هيك كده بدي عايز السلام عليكم الف عم لحد لو كنت مو هاي احنا انه إنه"
    ),
    "fa": (
        "و در به از که این را با است برای آن یک می خود تا بر هم نمی های من تو او ما شما آنها چه چی چرا چطور "
        "چگونه کجا کی هر اگر اما ولی یا نیست بود شد شده باید هست کن کنم کنید کند بعد قبل دو همه فقط خیلی هیچ "
        "سلام ممنون لطفا رو تر ها اون یه توی میشه داره دارم ام ای"
    ),
    "ur": (
        "کے میں کی ہے کا سے اور کو نے کہ پر یہ ہیں وہ بھی ہو نہیں تو جو اس ایک کر تھا تھی تھے ہی یا کیا گیا "
        "مجھے میرا میری میرے آپ ہم تم اپنے اپنی کیسے کیوں کب کہاں کون لیے لئے ساتھ بعد پہلے اگر مگر لیکن ہوں "
        "شکریہ براہ کرم"
    ),
    "hi": (
        "के में की है का से और को ने कि पर यह हैं वह भी हो नहीं तो जो इस एक कर था थी थे ही या क्या गया मुझे "
        "मेरा मेरी मेरे आप हम तुम अपने अपनी कैसे क्यों कब कहाँ कहां कौन लिए साथ बाद पहले अगर मगर लेकिन हूँ "
        "हूं धन्यवाद कृपया ये वो कुछ बहुत जब तक सकता करो करें दो रहा रही hai ka ki ke ko mein se nahi nahin "
        "kya kar karo karna karke mera meri mere bhai yaar aur ek ho raha rha rahi rhi rahe hu hun hoon tha "
        "thi kaise kyu kyun bhi wala wali wale mujhe tum aap toh batao bata gaya gayi hota hoti liye sab kuch "
        "koi jo ye yeh wo woh abhi kal aaj sirf bas baar pehle fir phir do din kitna kitne kitni bolo yar pe "
        "thoda jaldi chahiye hua hui huye"
    ),
    "mr": (
        "आहे आणि आहेत मध्ये च्या हा ही हे तो ती ते मी तू आम्ही तुम्ही माझा माझी माझे मला तुला त्याला काय कसे "
        "का कधी कुठे कोण साठी नाही होते होता होती पण किंवा जर तर या त्या एक करा केले झाले असे असा आता खूप "
        "धन्यवाद कृपया मग सर्व"
    ),
    "sr": (
        "и у не на што са по ја како то а све али га за он ми из од тако ће ви ти она они или ако да мој моја "
        "ли када где само још већ је био била било бити си смо су има нема до при под без над који која које "
        "тебе вас нас их јој зашто колико може треба много здраво хвала после овде тамо ко између овај ова "
        "ови се шта"
    ),
}
"""By ISO 639-1 code."""

LETTERS = {
    "es": "ñ¿¡",
    "pt": "ãõ",
    "de": "ß",
    "pl": "łżśęąźćń",
    "cs": "řěů",
    "tr": "ğış",
    "vi": "đơưạảấầậắặẻếềểệịọốồộớờợụứừữự",
    "hu": "őű",
    "ro": "țșăţ",
    "da": "øæ",
    "no": "øæ",
    "uk": "іїєґ",
    "bg": "ъ",
    "sr": "јљњђћџ",
    "ru": "ыэё",
    "fa": "پچژگ",
    "ur": "ٹڈڑںےہ",
}
"""By ISO 639-1 code, in lower case."""

# Keywords, commands and usual names of columns and variables.
ALSO_IN_CODE = (
    "all and any as by cd char class col de def del des die do du else en end est for from get has id if "
    "il import in int is la le let main man me new no not null on only or os per return se sed select set "
    "si then this to try une use val var void when where while with "
)
"""Those that tell little, since code has them whatever the language around it."""
