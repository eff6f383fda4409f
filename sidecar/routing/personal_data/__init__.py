"""Personal data in a text, by structure: e-mail addresses, phone numbers, payment cards, IBANs and national ids.

What has no structure of its own is not found: names, postal addresses, dates of birth, user names, IP addresses. Nor
is what was hidden on purpose (`bob at example dot com`, digits as words), or stands on two lines or in two parts of a
message. Only the form is looked at, not whether the address or the account exists: `4111 1111 1111 1111` from a
manual counts like anybody's card, and so does, by chance, one in ten numbers of a card's length and beginning.

National ids are those of ten countries: a United States SSN, a United Kingdom NINO, a Spanish DNI or NIE, an Italian
codice fiscale, a French NIR, a German Steuer-ID, a Polish PESEL, a Brazilian CPF, a Dutch BSN, a Chinese resident
identity number. One that more than a few in a thousand numbers would pass for counts only where its name stands
shortly before it. So does a phone number that is written like any number, and one of eight digits or fewer is not
found at all without its country code.
"""

from sidecar.routing.personal_data.scan import KINDS, PersonalData, blot_out, find_personal_data

__all__ = ["KINDS", "PersonalData", "blot_out", "find_personal_data"]
