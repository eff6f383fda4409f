"""Which script and which language a text is in, and when that is better left open."""

# ruff: noqa: RUF001  other scripts are what this is about

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.language import LANGUAGES, SCRIPTS, detect_language, detect_script
from tests.fakes.properties import examples

PROMPTS = Path(__file__).parents[2] / "training" / "prompts"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("", "none"),
        ("12 + 30 = 42 !?", "none"),
        ("👍🎉", "none"),
        ("\ud800\udfff", "none"),
        ("Hello", "latin"),
        ("Größe, Ærø, Łódź, İstanbul, tiếng Việt", "latin"),
        ("привет", "cyrillic"),
        ("καλημέρα", "greek"),
        ("שלום", "hebrew"),
        ("مرحبا", "arabic"),
        ("नमस्ते", "devanagari"),
        ("নমস্কার", "bengali"),
        ("வணக்கம்", "tamil"),
        ("నమస్కారం", "telugu"),
        ("ನಮಸ್ಕಾರ", "kannada"),
        ("നമസ്കാരം", "malayalam"),
        ("નમસ્તે", "gujarati"),
        ("ਸਤ ਸ੍ਰੀ ਅਕਾਲ", "gurmukhi"),
        ("ආයුබෝවන්", "sinhala"),
        ("สวัสดี", "thai"),
        ("ສະບາຍດີ", "lao"),
        ("សួស្តី", "khmer"),
        ("မင်္ဂလာပါ", "myanmar"),
        ("გამარჯობა", "georgian"),
        ("բարև", "armenian"),
        ("ሰላም", "ethiopic"),
        ("你好，世界", "han"),
        ("こんにちは", "kana"),
        ("東京都の天気予報を教えて", "kana"),
        ("안녕하세요", "hangul"),
        ("大韓民國 헌법 제1조", "hangul"),
        # what most of it is in, terms and code aside
        ("Меня зовут Bob", "cyrillic"),
        ("用Python写一个函数 parse", "han"),
        ("What does 谢谢 mean in English, and how do I answer it?", "latin"),
        ("naïve α-β pruning in Rust", "latin"),
    ],
)
def test_the_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert detect_script(text) == script


@pytest.mark.parametrize(
    ("text", "language"),
    [
        # by words
        ("What is the best way to learn the piano when you are 50?", "en"),
        ("whats the capital of australia and why isnt it sydney", "en"),
        ("Wie kann ich die Datei auf dem Server löschen?", "de"),
        ("Comment est-ce que je peux supprimer le fichier sur le serveur ?", "fr"),
        ("¿Cómo puedo borrar el archivo que está en el servidor?", "es"),
        ("Como posso apagar o arquivo que está no servidor? Não sei mais", "pt"),
        ("Come posso cancellare il file che è sul server?", "it"),
        ("Hoe kan ik het bestand van de server verwijderen?", "nl"),
        ("Jak mogę usunąć plik z serwera, który jest pełny?", "pl"),
        ("Hur kan jag ta bort filen från servern och varför är den full?", "sv"),
        ("Hvordan kan jeg slette filen, og hvad skal jeg gøre efter det?", "da"),
        ("Hvordan kan jeg slette fila, og hva skal jeg gjøre etterpå?", "no"),
        ("Miten voin poistaa tiedoston ja mitä minun pitää tehdä sitten?", "fi"),
        ("Sunucudaki bu dosyayı nasıl silebilirim ve neden çok büyük?", "tr"),
        ("Bagaimana saya bisa menghapus file yang ada di server ini?", "id"),
        ("Làm thế nào để tôi xóa tệp này trên máy chủ của bạn?", "vi"),
        ("Jak můžu smazat soubor, který je na serveru, když není prázdný?", "cs"),
        ("Cum pot să șterg fișierul care este pe server și de ce nu merge?", "ro"),
        ("Hogyan lehet törölni egy fájlt, és miért nem működik ez most?", "hu"),
        ("Paano ko mabubura ang file na ito sa server para sa kanila?", "tl"),
        ("Jinsi gani naweza kufuta faili hii kwa sababu ni kubwa sana?", "sw"),
        ("Как удалить файл на сервере, если он ещё открыт?", "ru"),
        ("Як видалити файл на сервері, якщо він ще відкритий?", "uk"),
        ("Как да изтрия файла от сървъра, ако той още е отворен?", "bg"),
        ("Како да обришем фајл са сервера ако је још отворен?", "sr"),
        ("كيف يمكنني حذف الملف من الخادم بعد ذلك؟", "ar"),
        ("چطور می توانم این فایل را از سرور پاک کنم؟", "fa"),
        ("میں سرور سے یہ فائل کیسے حذف کر سکتا ہوں؟", "ur"),
        ("मैं सर्वर से यह फ़ाइल कैसे हटा सकता हूँ?", "hi"),
        ("bhai mujhe yeh samajh nahi aa raha hai kya karu", "hi"),
        ("ही फाइल सर्व्हरवरून कशी काढायची आहे आणि का?", "mr"),
        # by script
        ("怎么删除服务器上的文件？", "zh"),
        ("サーバーのファイルを削除する方法は?", "ja"),
        ("서버에서 파일을 삭제하는 방법은?", "ko"),
        ("จะลบไฟล์บนเซิร์ฟเวอร์ได้อย่างไร", "th"),
        ("איך מוחקים קובץ מהשרת?", "he"),
        ("Πώς διαγράφω ένα αρχείο;", "el"),
        ("সার্ভার থেকে ফাইল কীভাবে মুছব?", "bn"),
        ("கோப்பை எப்படி நீக்குவது?", "ta"),
        # the language that is asked in, not the one that it is about
        ('Translate to English: "Der Hund ist weggelaufen und wir haben ihn nicht gefunden."', "en"),
        ('Übersetze das bitte ins Deutsche: "The dog ran away and we have not found it."', "de"),
        ("переведи это на русский, пожалуйста: «The dog ran away and we have not found it yet»", "ru"),
        (
            "Pourquoi est-ce que ça ne marche pas ?\n```python\nfor x in the_list:\n    if x is not the: pass\n```",
            "fr",
        ),
        # only what is in quotation marks
        ('"Der Hund ist weggelaufen und wir haben ihn nicht gefunden."', "de"),
    ],
)
def test_the_language_is_that_of_the_request(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "ok?",
        "переклад: «The dog ran away and we have not found it yet»",
        "3.14 2.71 1.41 + 12 = 99",
        "x^2 + y^2 = z^2, a_n = a_{n-1} + a_{n-2}",
        "asdf qwer zxcv hjkl yuio",
        "https://example.com/a/b?c=d",
        '{"a": [1, 2, {"b": null}], "on": true}',
        '<div class="a"><p id="b"></p></div>',
        "2024-05-01,12.5,1,ok\n2024-05-01,12.5,2,ok",
        "def foo(x):\n    return x + 1\n\nfor i in range(10):\n    if i not in seen:\n        print(i)",
        "SELECT a FROM t WHERE x IN (1, 2) AND y IS NOT NULL ORDER BY z",
        "import os\nfrom pathlib import Path\nwith open('a') as f:\n    data = f.read()",
        '#include <stdio.h>\nint main(void) { for (int i = 0; i < 10; i++) printf("%d", i); return 0; }',
        "const a = await fetch(url); if (!a.ok) { throw new Error('x') } else { do_it(a) }",
        "let mut v: Vec<i32> = Vec::new(); for i in 0..10 { v.push(i); }",
        "ls -la | grep foo | awk '{print $1}' && cd /tmp",
        "👍👍👍",
    ],
)
def test_code_and_numbers_are_no_language(text: str) -> None:
    assert detect_language(text) == "und"


def test_most_authored_prompts_are_told_and_few_wrongly() -> None:
    """What the module says of itself, with a little room for prompts to come."""
    lines = [line for file in sorted(PROMPTS.glob("*.jsonl")) for line in file.read_text().splitlines()]
    prompts = [prompt for prompt in map(json.loads, lines) if len(prompt["text"]) > 40]
    told = [(detect_language(prompt["text"]), prompt["lang"]) for prompt in prompts]

    right = sum(language == actual for language, actual in told)
    wrong = sum(language not in (actual, "und") for language, actual in told)

    assert right / len(told) >= 0.955 and wrong / len(told) <= 0.015


def test_only_the_beginning_is_looked_at() -> None:
    english, german = "This is what we would like to have. ", "Das ist es, was wir gern hätten. "

    assert detect_language(english * 100 + german * 100_000) == detect_language(english * 100) == "en"
    assert detect_script("a" * 2_000 + "я" * 5_000_000) == "latin"


def test_the_answer_does_not_depend_on_the_process() -> None:
    """Sets of words are ordered differently in each; replicas must decide alike."""
    program = (
        "import sys; from sidecar.routing.language import detect_language\n"
        "print([detect_language(line) for line in sys.stdin])"
    )
    lines = (PROMPTS / "a18.jsonl").read_text().splitlines()
    texts = "\n".join(json.loads(line)["text"][:300].replace("\n", " ") for line in lines)
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=texts,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONIOENCODING": "utf-8"},
            cwd=PROMPTS.parents[1],
            capture_output=True,
            check=True,
            text=True,
            encoding="utf-8",
        ).stdout
        for seed in (1, 2, 3)
    }

    assert len(answers) == 1


@given(st.text())
@examples(500)
def test_any_text_has_a_script_and_maybe_a_language(text: str) -> None:
    assert detect_script(text) in SCRIPTS
    assert detect_language(text) in (*LANGUAGES, "und")
