"""Which time zone a place has: the cities and countries people ask for, and every IANA name."""

from __future__ import annotations

import unicodedata
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_CITIES = """
Africa/Abidjan: abidjan, ivory coast
Africa/Accra: accra, ghana
Africa/Addis_Ababa: addis ababa, ethiopia
Africa/Algiers: algiers, algeria
Africa/Cairo: cairo, egypt, alexandria
Africa/Casablanca: casablanca, morocco, rabat, marrakesh
Africa/Dakar: dakar, senegal
Africa/Dar_es_Salaam: dar es salaam, tanzania
Africa/Johannesburg: johannesburg, south africa, cape town, durban, pretoria
Africa/Kampala: kampala, uganda
Africa/Kinshasa: kinshasa
Africa/Lagos: lagos, nigeria, abuja
Africa/Luanda: luanda, angola
Africa/Nairobi: nairobi, kenya
Africa/Tunis: tunis, tunisia
America/Anchorage: anchorage, alaska
America/Argentina/Buenos_Aires: buenos aires, argentina
America/Bogota: bogota, colombia, medellin
America/Caracas: caracas, venezuela
America/Chicago: chicago, dallas, houston, austin, san antonio, new orleans, minneapolis, st louis, memphis
America/Chicago: nashville, texas
America/Costa_Rica: costa rica
America/Denver: denver, salt lake city, colorado
America/Detroit: detroit
America/Edmonton: edmonton, calgary
America/Guatemala: guatemala
America/Guayaquil: quito, ecuador
America/Halifax: halifax
America/Havana: havana, cuba
America/Jamaica: kingston, jamaica
America/La_Paz: la paz, bolivia
America/Lima: lima, peru
America/Los_Angeles: los angeles, san francisco, seattle, san diego, las vegas, portland, california
America/Los_Angeles: silicon valley, sacramento, san jose
America/Mexico_City: mexico city, mexico, guadalajara
America/Montevideo: montevideo, uruguay
America/New_York: new york, new york city, washington, boston, miami, philadelphia, atlanta, baltimore, cleveland
America/New_York: pittsburgh, orlando, charlotte, florida
America/Panama: panama
America/Phoenix: phoenix, arizona
America/Puerto_Rico: puerto rico, san juan
America/Santiago: santiago, chile
America/Sao_Paulo: sao paulo, brazil, rio de janeiro, brasilia
America/St_Johns: newfoundland
America/Toronto: toronto, ottawa, montreal, quebec
America/Vancouver: vancouver
America/Winnipeg: winnipeg
Asia/Almaty: almaty, kazakhstan
Asia/Amman: amman, jordan
Asia/Baghdad: baghdad, iraq
Asia/Baku: baku, azerbaijan
Asia/Bangkok: bangkok, thailand
Asia/Beirut: beirut, lebanon
Asia/Colombo: colombo, sri lanka
Asia/Damascus: damascus, syria
Asia/Dhaka: dhaka, bangladesh
Asia/Dubai: dubai, abu dhabi, united arab emirates, emirates
Asia/Ho_Chi_Minh: ho chi minh city, vietnam, hanoi, saigon
Asia/Hong_Kong: hong kong
Asia/Jakarta: jakarta, indonesia
Asia/Jerusalem: jerusalem, israel, tel aviv
Asia/Kabul: kabul, afghanistan
Asia/Karachi: karachi, pakistan, lahore, islamabad
Asia/Kathmandu: kathmandu, nepal
Asia/Kolkata: kolkata, india, delhi, new delhi, mumbai, bombay, bangalore, chennai, hyderabad, calcutta, pune
Asia/Kuala_Lumpur: kuala lumpur, malaysia
Asia/Kuwait: kuwait
Asia/Manila: manila, philippines
Asia/Qatar: doha, qatar
Asia/Riyadh: riyadh, saudi arabia, jeddah, mecca
Asia/Seoul: seoul, korea, south korea, busan
Asia/Shanghai: shanghai, china, beijing, shenzhen, guangzhou, chengdu
Asia/Singapore: singapore
Asia/Taipei: taipei, taiwan
Asia/Tashkent: tashkent, uzbekistan
Asia/Tbilisi: tbilisi
Asia/Tehran: tehran, iran
Asia/Tokyo: tokyo, japan, osaka, kyoto, yokohama, nagoya, sapporo
Asia/Yerevan: yerevan, armenia
Atlantic/Reykjavik: reykjavik, iceland
Australia/Adelaide: adelaide
Australia/Brisbane: brisbane
Australia/Darwin: darwin
Australia/Melbourne: melbourne
Australia/Perth: perth
Australia/Sydney: sydney, australia, canberra
Europe/Amsterdam: amsterdam, netherlands, holland, rotterdam
Europe/Athens: athens, greece
Europe/Belgrade: belgrade, serbia
Europe/Berlin: berlin, germany, munich, hamburg, frankfurt, cologne, stuttgart
Europe/Bratislava: bratislava, slovakia
Europe/Brussels: brussels, belgium, antwerp
Europe/Bucharest: bucharest, romania
Europe/Budapest: budapest, hungary
Europe/Copenhagen: copenhagen, denmark
Europe/Dublin: dublin, ireland
Europe/Helsinki: helsinki, finland
Europe/Istanbul: istanbul, turkey, ankara
Europe/Kyiv: kyiv, kiev, ukraine
Europe/Lisbon: lisbon, portugal, porto
Europe/Ljubljana: ljubljana, slovenia
Europe/London: london, england, uk, united kingdom, britain, great britain, manchester, edinburgh, scotland
Europe/London: glasgow, liverpool, birmingham, wales, cardiff, belfast
Europe/Luxembourg: luxembourg
Europe/Madrid: madrid, spain, barcelona, valencia, seville
Europe/Minsk: minsk, belarus
Europe/Moscow: moscow, russia, saint petersburg, st petersburg
Europe/Oslo: oslo, norway, bergen
Europe/Paris: paris, france, lyon, marseille, nice, toulouse
Europe/Prague: prague, czech republic, czechia
Europe/Riga: riga, latvia
Europe/Rome: rome, italy, milan, venice, naples, florence, turin
Europe/Sofia: sofia, bulgaria
Europe/Stockholm: stockholm, sweden, gothenburg
Europe/Tallinn: tallinn, estonia
Europe/Vienna: vienna, austria, salzburg
Europe/Vilnius: vilnius, lithuania
Europe/Warsaw: warsaw, poland, krakow
Europe/Zagreb: zagreb, croatia
Europe/Zurich: zurich, switzerland, geneva, basel, bern
Pacific/Auckland: auckland, new zealand, wellington, christchurch
Pacific/Fiji: fiji
Pacific/Honolulu: honolulu, hawaii
UTC: utc, gmt, universal time, greenwich
"""

_ZONES = {
    place.strip(): zone
    for zone, _, places in (line.partition(": ") for line in _CITIES.strip().splitlines())
    for place in places.split(",")
}


def all_zones() -> dict[str, str]:
    """Every place by name with its IANA zone."""
    return dict(_ZONES)


def zone_of(place: str) -> ZoneInfo | None:
    """The zone of a city, a country that has a usual one, or an IANA name ("Asia/Tokyo"); None if unknown."""
    name = _plain(place)
    known = _ZONES.get(name) or _ZONES.get(_plain(place.partition(",")[0]))
    if known:
        return ZoneInfo(known)
    if "/" not in place:
        return None
    try:
        return ZoneInfo("/".join(part.strip().title().replace(" ", "_") for part in place.split("/")))
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def _plain(place: str) -> str:
    letters = unicodedata.normalize("NFKD", place.casefold())
    plain = "".join(letter if letter.isalnum() else " " for letter in letters if not unicodedata.combining(letter))
    return " ".join(plain.split()).removeprefix("the ")
