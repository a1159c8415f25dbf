package transform

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// someDay is the time from which years of two digits are told in these tests.
var someDay = time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC)

func mustFormat(t interface{ Fatal(...any) }, pattern string) *dateFormat {
	f, err := parseDateFormat(pattern, someDay)
	if err != nil {
		t.Fatal(pattern, err)
	}
	return f
}

// The texts are those of java.text.SimpleDateFormat for 2019-08-23T14:34:54.346Z in UTC and English.
func TestDateFormatLetters(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"G": "AD", "yy": "19", "y yyy yyyy yyyyy": "2019 2019 2019 02019", "Y": "2019", "M MM MMM MMMM": "8 08 Aug August",
		"L LLL": "8 Aug", "w W D d F": "34 4 235 23 4", "E EEEE u": "Fri Friday 5", "a": "PM", "H k K h": "14 14 2 2", "m s S": "34 54 346",
		"SSSSSS": "000346", "z zzzz": "UTC Coordinated Universal Time", "Z X XX XXX": "+0000 Z Z Z",
		"''yyyy'' 'it''s'": "'2019' it's", "": "", "é": "é",
	} {
		if got := string(mustFormat(t, pattern).append(nil, 1566570894346)); got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
	for pattern, want := range map[string]string{
		"b": "Illegal pattern character 'b'", "XXXX": "invalid ISO 8601 format: length=4", "'a": "Unterminated quote",
	} {
		if _, err := parseDateFormat(pattern, someDay); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", pattern, err, want)
		}
	}
}

func TestDateParse(t *testing.T) {
	t.Parallel()
	const utc = "2006-01-02T15:04:05.000"
	for _, c := range []struct{ pattern, text, want string }{
		{"yy-MM-dd", "45-01-01", "2045-01-01T00:00:00.000"},
		{"yy-MM-dd", "47-01-01", "1947-01-01T00:00:00.000"},
		{"yy-MM-dd", "46-06-14", "2046-06-14T00:00:00.000"}, // the border is 80 years ago to the day
		{"yy-MM-dd", "46-06-16", "1946-06-16T00:00:00.000"},
		{"yy", "7", "0006-12-30T00:00:00.000"}, // year 7 of the julian calendar
		{"yyyy-DDD", "2020-366", "2020-12-31T00:00:00.000"},
		{"yyyy-MM-dd DDD", "2020-01-05 002", "2020-01-02T00:00:00.000"},
		{"DDD dd", "002 05", "1970-01-05T00:00:00.000"},
		{"EEE MMM yyyy", "Fri Aug 2019", "2019-08-02T00:00:00.000"},
		{"u", "1", "1970-01-05T00:00:00.000"},
		{"h a", "12 AM", "1970-01-01T00:00:00.000"},
		{"h a", "12 pm", "1970-01-01T12:00:00.000"},
		{"a", "PM", "1970-01-01T12:00:00.000"},
		{"H h a", "5 3 PM", "1970-01-01T15:00:00.000"},
		{"h a H", "3 PM 5", "1970-01-01T05:00:00.000"},
		{"k", "24", "1970-01-01T00:00:00.000"},
		{"HH z", "10 CEST", "1970-01-01T08:00:00.000"},
		{"HH z", "10 gmt+2:30", "1970-01-01T07:30:00.000"},
		{"HH z", "10 GMT", "1970-01-01T10:00:00.000"},
		{"HH Z", "10 -0130", "1970-01-01T11:30:00.000"},
		{"HH X", "10 +02", "1970-01-01T08:00:00.000"},
		{"HH XX", "10 +0200", "1970-01-01T08:00:00.000"},
		{"HH XXX", "10 -02:00", "1970-01-01T12:00:00.000"},
		{"yyyy MMMM d", "2019 august 5", "2019-08-05T00:00:00.000"},
		{"yyyyMMddHHmm", "201908231434", "2019-08-23T14:34:00.000"},
		{"HHmm", "\t934", "1970-01-01T09:34:00.000"},
	} {
		millis, ok := mustFormat(t, c.pattern).parse(c.text)
		if got := time.UnixMilli(millis).UTC().Format(utc); !ok || got != c.want {
			t.Errorf("%s of %q: got %s (%t), want %s", c.pattern, c.text, got, ok, c.want)
		}
	}
	for _, c := range []struct{ pattern, text string }{
		{"yyyy", ""}, {"yyyy", "x"}, {"yyyy", "-"}, {"yyyyMMdd", "2019"}, {"d MMM", "23   Aug"}, {"MMM", "Foo"}, {"G", "xx"}, {"EEE", "8"},
		{"z", "Europe/Berlin"}, {"z", "GMT+2"}, {"Z", "Z"}, {"X", "x"}, {"X", "+2"}, {"XX", "+02:00"}, {"XXX", "+0200"}, {"Z", "+2500"}, {"Z", "+0160"},
		{"YYYY", "2019"}, {"'T'", " T"}, {"", ""}, {"a", "XM"},
	} {
		if millis, ok := mustFormat(t, c.pattern).parse(c.text); ok {
			t.Errorf("%s of %q: got %d", c.pattern, c.text, millis)
		}
	}
}

// Whatever is printed in full reads back, also before 1582 and before the year 1.
func TestDateRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		millis := rapid.Int64Range(-100_000_000_000_000, 200_000_000_000_000).Draw(t, "millis")
		f := mustFormat(t, rapid.SampledFrom([]string{
			"yyyy-MM-dd'T'HH:mm:ss.SSSXXX G", "G EEEE, d MMM yyyyy, h:mm:ss.SSS a Z", "D yyyy kk:mm:ss SSS z G",
		}).Draw(t, "pattern"))
		text := string(f.append(nil, millis))
		if got, ok := f.parse(text); !ok || got != millis {
			t.Fatalf("%q: got %d (%t), want %d", text, got, ok, millis)
		}
	})
}

func TestTimestampConverterRefusesToReadWeeks(t *testing.T) {
	t.Parallel()
	err := newTimestampConverter(plugin.Value).Configure(plugin.Config{"target.type": "unix", "format": "YYYY-MM-dd"})
	const want = `Invalid value YYYY-MM-dd for configuration format: the pattern letter "Y" can be printed, but not read`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	tr := configured(t, "timestamp_converter", plugin.Config{"target.type": "string", "format": "YYYY"})
	if r, err := apply(tr, record.Datum{Value: record.OfString("2019")}); err == nil {
		t.Errorf("got %v, want an error", r.Value)
	}
}

func TestTimestampRouterNeedsTimestamp(t *testing.T) {
	t.Parallel()
	tr := configured(t, "timestamp_router", plugin.Config{})
	b := record.NewBatch(record.FromSource, new(record.Partitions))
	b.Append().Topic = "orders"
	if err := tr.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if f := b.Failures(); len(f) != 1 || f[0].Err.Error() != "Timestamp missing on record" {
		t.Errorf("got %v, want the timestamp missed", f)
	}
}

// A name is found again for each topic, and made anew when its date changes.
func TestTimestampRouterManyTopics(t *testing.T) {
	t.Parallel()
	tr := configured(t, "timestamp_router", plugin.Config{"timestamp.format": "dd"})
	for _, c := range []struct {
		topic string
		day   int64
		want  string
	}{{"a", 0, "a-01"}, {"b", 0, "b-01"}, {"a", 1, "a-02"}, {"b", 0, "b-01"}, {"a", 1, "a-02"}, {"a", 0, "a-01"}} {
		b := record.NewBatch(record.FromSource, new(record.Partitions))
		r := b.Append()
		r.Topic, r.Timestamp = c.topic, c.day*dayMillis
		if err := tr.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got := b.Records[0].Topic; got != c.want {
			t.Errorf("%s on day %d: got %s, want %s", c.topic, c.day, got, c.want)
		}
	}
}
