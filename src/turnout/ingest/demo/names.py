"""Names of people: given and family names of several cultures and scripts, some common, some rare.

Words are in order of frequency; `_` stands for a blank inside a name; a name of another script has its Latin form
behind a colon, for e-mail addresses.
"""
# ruff: noqa: RUF001 - names of several scripts are the point

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Culture:
    """The names of some people.

    `share` is in per mille of all; of them, `doubled` per mille have two family names with `joint` between them.
    Given and family name stand in the order `family_first` says, with `between` between them.
    """

    share: int
    given: tuple[str, ...]
    family: tuple[str, ...]
    doubled: int
    joint: str
    family_first: bool
    between: str


def _culture(
    share: int,
    given: str,
    family: str,
    *,
    doubled: int = 0,
    joint: str = "-",
    family_first: bool = False,
    between: str = " ",
) -> Culture:
    return Culture(share, tuple(given.split()), tuple(family.split()), doubled, joint, family_first, between)


CULTURES: Final = (
    _culture(
        430,
        "Anna Lukas Marie Leon Sophie Paul Lena Jonas Laura Felix Julia Maximilian Hannah Tim Sarah Jan Lea "
        "Niklas Katharina Moritz Johanna Jakob Clara David Emma Philipp Charlotte Simon Franziska Florian Theresa "
        "Sebastian Nele Jürgen Käthe Björn Jörg Günther Anneliese Heike Ulrike Götz Änne Anna-Lena Karl-Heinz Zoë "
        "Mia Ben Frieda Oskar Michael Sabine Stefan Petra Andreas Monika Thomas Claudia Christian Susanne Martin "
        "Birgit Markus Nicole Daniel Kathrin Alexander Stefanie Tobias Melanie Matthias Sandra Benjamin Nadine "
        "Fabian Anja Dominik Vanessa Marvin Jana Robin Lisa Hendrik Ronja Malte Greta Anton Ida Emil Mathilda "
        "Henri Luisa Konstantin Antonia Valentin Pauline Raphael Carlotta Ruben Miriam Aaron Judith Samuel Esther "
        "Lorenz Marlene",
        "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Bauer Richter Klein Wolf "
        "Schröder Neumann Schwarz Zimmermann Braun Krüger Hartmann Lange Schmitt Werner Krause Lehmann Köhler "
        "Maier König Kaiser Fuchs Huber Jäger Günther Groß Weiß Böhm Muller Schäfer Vogel Straßburger "
        "von_der_Heide zu_Dohna Großmann Überall Ziegler Hofmann Herrmann Walter Mayer Peters Lang Scholz Möller "
        "Jung Hahn Keller Schubert Friedrich Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht Schuster "
        "Simon Ludwig Winter Kraus Martin Schumacher Krämer Vogt Stein Jansen Otto Sommer Seidel Heinrich Brandt "
        "Haas Schreiber Graf Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch Bergmann Thomas Voigt Sauer Arnold "
        "Pfeiffer Wolff Beyer Ernst Lindner Hübner Kramer Franz Wenzel Barth Götz Hermann Böttcher Nowak-Lehr "
        "Marx Riedel Thiel Seifert Kirchner Kunze Bock",
        doubled=90,
    ),
    _culture(
        180,
        "James Emily Oliver Grace Jack Olivia Harry Charlotte Thomas Amelia George Sophie William Lucy Daniel "
        "Hannah Ben Chloë Matthew Siobhán Ciarán Niamh Rhys Fiona Alistair Imogen Zoe Kwame Adaeze Priya Arjun "
        "Renée Joshua Megan Samuel Jessica Joseph Ella Alexander Ruby Edward Poppy Henry Freya Adam Isla Luke "
        "Erin Nathan Molly Callum Abigail Owen Bethany Dylan Eleanor Toby Georgia Isaac Holly Leo Daisy",
        "Smith Jones Taylor Brown Williams Wilson Johnson Davies Patel Wright Walker Khan Hughes Thompson O'Brien "
        "McDonald Murphy Clarke Singh Okafor Mensah Campbell Stewart Ó_Súilleabháin de_Souza Brontë Llewellyn "
        "Zachariah Robinson White Edwards Green Hall Wood Harris Lewis Martin Jackson Turner Hill Cooper Ward "
        "Morris Moore Clark Lee King Baker Harrison Morgan Allen James Scott Phillips Watson Parker Price Bennett "
        "Young Griffiths Mitchell Kelly Cook Carter Bailey Shah Collins Begum Marshall",
        doubled=50,
    ),
    _culture(
        75,
        "Ayşe Mehmet Elif Mustafa Zeynep Emre Fatma Can Merve Murat Gül Burak Şeyma Çağla Ömer İpek Oğuz Işıl "
        "Deniz Hakan Esra Kerem Büşra Tolga Ebru Onur Selin Serkan Derya Cem",
        "Yılmaz Kaya Demir Şahin Çelik Yıldız Aydın Öztürk Arslan Doğan Koç Kılıç Aslan Güneş Ünal Çakır Özdemir "
        "Polat Kurt Özkan Şimşek Acar Erdoğan Bulut Güler Aksoy Tekin Yavuz Avcı Işık",
        doubled=40,
    ),
    _culture(
        65,
        "Anna Piotr Katarzyna Krzysztof Małgorzata Tomasz Agnieszka Paweł Łukasz Zofia Michał Żaneta Stanisław "
        "Jadwiga Marcin Joanna Jakub Aleksandra Wojciech Magdalena Rafał Ewa Grzegorz Beata",
        "Nowak Wójcik Mazur Kowalczyk Woźniak Krawczyk Kaczmarek Zając Król Wróbel Dudek Adamczyk Sikora Gołąb "
        "Głowacz Wieczorek Jabłoń Stępień Michalak Świątek Pawlak Walczak Żak Łuczak",
    ),
    _culture(
        55,
        "José María Jose Lucía Carlos Sofía Javier Carmen Íñigo Begoña Nuño Inés Andrés Belén João Conceição "
        "Pablo Marta Sergio Elena Diego Paula Álvaro Raquel Hugo Beatriz",
        "García Garcia Rodríguez González Fernández López Martínez Sánchez Pérez Núñez Ibáñez Muñoz de_la_Cruz "
        "Gonçalves Assunção Gómez Ruiz Hernández Díaz Álvarez Romero Torres Vázquez Ortega Silva",
        doubled=750,
        joint=" ",
    ),
    _culture(
        40,
        "Marie Jean Camille Léa François Chloé Hélène Noël Jérôme Anaïs Benoît Maëlle Loïc Cécile Antoine Manon "
        "Nicolas Juliette Hugo Inès Mathieu Élise",
        "Martin Bernard Dubois Lefèvre Moreau Girard Bonnet François Lemaître Béranger d'Aubigné Château Le_Gall "
        "Petit Durand Leroy Roux Fournier Mercier Garnier Chevalier Gauthier",
        doubled=60,
    ),
    _culture(
        35,
        "Giulia Marco Francesca Alessandro Chiara Matteo Niccolò Noemi Luca Martina Davide Elisa Lorenzo Federica "
        "Andrea Valentina",
        "Rossi Russo Ferrari Esposito D'Amico Nicolò Bianchi Romano Colombo Ricci Marino Greco Conti De_Luca "
        "Costa Lo_Presti",
    ),
    _culture(
        35,
        "Lars Ingrid Søren Åsa Bjørn Freja Mikkel Øyvind Linnéa Väinö Erik Astrid Nils Maja Anders Sigrid Magnus Kajsa",
        "Hansen Andersson Nielsen Johansen Sørensen Ødegård Åkesson Mäkinen Lindström Bergström Dahl Nyström "
        "Haugen Møller Virtanen Lund",
    ),
    _culture(
        20,
        "Jiří Kateřina Tomáš Zdeněk Ľuboš Žofia Ondřej Eliška Petr Lucie",
        "Krejčí Dolejší Jirků Martinů Petrů Janů Tichý-Král Šebestů Hašek",
    ),
    _culture(
        20,
        "Linh Minh Hương Tuấn Thảo Đức Ngọc Quỳnh Anh Hà Khánh Trang",
        "Nguyễn Trần Lê Phạm Hoàng Đặng Bùi Vũ Võ Đỗ",
    ),
    _culture(
        10,
        "Юлія:yuliya Олександр:oleksandr Оксана:oksana Тарас:taras Анна:anna Дмитро:dmytro Ольга:olha "
        "Сергій:serhiy Ірина:iryna Андрій:andriy",
        "Шевченко:shevchenko Коваленко:kovalenko Бондар:bondar Ткаченко:tkachenko Мельник:melnyk Їжак:yizhak "
        "Лисенко:lysenko Мороз:moroz",
    ),
    _culture(
        8,
        "Μαρία:maria Γιώργος:giorgos Ελένη:eleni Νίκος:nikos Κατερίνα:katerina Δημήτρης:dimitris Σοφία:sofia",
        "Γεωργίου:georgiou Οικονόμου:oikonomou Ιωάννου:ioannou Χρήστου:christou Νικολάου:nikolaou Αθανασίου:athanasiou",
    ),
    _culture(
        8,
        "محمد:mohammed فاطمة:fatima أحمد:ahmad ليلى:layla يوسف:yousef مريم:maryam سارة:sara عمر:omar",
        "الحسن:alhasan خوري:khoury حداد:haddad منصور:mansour النجار:alnajjar درويش:darwish",
    ),
    _culture(
        4,
        "נועה:noa דוד:david תמר:tamar יונתן:yonatan",
        "כהן:cohen לוי:levi מזרחי:mizrahi פרץ:peretz",
    ),
    _culture(
        7,
        "伟:wei 芳:fang 娜:na 秀英:xiuying 静:jing 明:ming 丽:li 强:qiang",
        "王:wang 李:li 张:zhang 刘:liu 陈:chen 杨:yang 黄:huang",
        family_first=True,
        between="",
    ),
    _culture(
        4,
        "さくら:sakura 健太:kenta 美咲:misaki 翔:sho 陽子:yoko ケンジ:kenji",
        "佐藤:sato 鈴木:suzuki 高橋:takahashi 田中:tanaka 渡辺:watanabe",
        family_first=True,
    ),
    _culture(
        2,
        "민준:minjun 서연:seoyeon 지훈:jihoon 하은:haeun",
        "김:kim 이:lee 박:park 최:choi",
        family_first=True,
        between="",
    ),
    _culture(
        2,
        "आरव:aarav अनन्या:ananya प्रिया:priya राहुल:rahul",
        "शर्मा:sharma वर्मा:verma गुप्ता:gupta",
    ),
)

_SPELT: Final = str.maketrans(
    {"ß": "ss", "ø": "oe", "Ø": "Oe", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "'": "", "_": ""}
)


def shown_name(word: str) -> str:
    """Return a word of the lists as people write it."""
    return word.partition(":")[0].replace("_", " ")


def address_name(word: str) -> str:
    """Return a word of the lists as it stands in an e-mail address: lower-case ASCII letters and hyphens."""
    latin = word.partition(":")[2] or word.translate(_SPELT)
    return unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode().lower()
