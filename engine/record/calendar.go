package record

// CivilDate is the date of a day since 1970-01-01 in Java's calendar: julian before 1582-10-15, gregorian from then on.
// Years before 1 count 0, -1, …
func CivilDate(day int64) (year int64, month, dayOfMonth int) { return civilOf(day) }

// CivilDay is the day since 1970-01-01 of a date in Java's calendar. Month and day of month count from 1 and may overflow
// either way (Java: a lenient GregorianCalendar).
func CivilDay(year, month, dayOfMonth int64) int64 { return dayOf(year, month, dayOfMonth) }
