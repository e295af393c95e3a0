"""Which encoding an error names: of texts in many, and of what is no text."""

import random

import pytest

from training.rows.encodings import likely_encoding

TEXTS = {
    "cp949": "어느 도시가 바다 옆에 있나요? 부산입니다. API를 호출하면 값이 돌아옵니다.",
    "shift_jis": "どの都市が海のそばにありますか。それはプサンです。質問に答えてください。",
    "euc_jp": "どの都市が海のそばにありますか。それはプサンです。質問に答えてください。",
    "gb18030": "哪个城市在海边？这是一个问题，请用中文回答。我们的模型可以学习这些内容。",
    "big5": "哪個城市在海邊？這是一個問題，請用中文回答。我們的模型可以學習這些內容。",
    "cp1251": "Какой город стоит у моря? Ответ: Владивосток. Это хороший вопрос, API тоже.",
    "koi8_r": "Какой город стоит у моря? Ответ: Владивосток. Это хороший вопрос.",
    "cp1253": "Ποια πόλη είναι δίπλα στη θάλασσα; Η Θεσσαλονίκη είναι.",
    "cp1255": "איזו עיר נמצאת ליד הים? תל אביב יפו",
    "cp1256": "أي مدينة تقع بجانب البحر؟ الإسكندرية هي الجواب",
    "cp874": "เมืองไหนอยู่ติดทะเล คำตอบคือพัทยา",
    "cp1252": "Quelle ville est à côté de la mer ? C'est Fréjus, où l'été est très beau. Größe",
    "utf-8": "Größe und Maß",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("form", ["{}", '{{"prompt": "{}\\n", "completion": "a\\n{}"}}\n' * 3])
def test_it_is_known_again(name: str, form: str) -> None:
    sample = form.format(*[TEXTS[name]] * 6).encode(name)
    assert likely_encoding(sample) == name
    if name != "utf-8":
        assert likely_encoding(sample[:-1]) == name, "a sample may be cut inside a character"


def test_capitals_are_no_points_of_hebrew() -> None:
    assert likely_encoding("Москва и Рим, Киев и Минск.".encode("cp1251")) == "cp1251"


def test_quotes_of_a_word_processor() -> None:
    assert likely_encoding("He said “yes” – and left…".encode("cp1252")) == "cp1252"


def test_of_noise_nothing_is_said() -> None:
    noise = random.Random(1)
    assert {likely_encoding(noise.randbytes(400)) for _ in range(200)} == {None}
