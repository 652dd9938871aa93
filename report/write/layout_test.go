package write

import (
	"fmt"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		name, text  string
		first, rest int
		want        []string
	}{
		{"fits", "a b c", 5, 5, []string{"a b c"}},
		{"breaks at blanks", "aa bb cc", 5, 5, []string{"aa bb", "cc"}},
		{"first line is shorter", "aa bb cc", 2, 5, []string{"aa", "bb cc"}},
		{"a long word is broken", "aaaaaaa b", 3, 3, []string{"aaa", "aaa", "a b"}},
		{"a URL is not", "see https://example.org/x y", 10, 10, []string{"see", "https://example.org/x", "y"}},
		{"wide characters count double", "注文注文", 5, 5, []string{"注文", "注文"}},
		{"a wide character in no room stands alone", "注文", 1, 1, []string{"注", "文"}},
		{"empty", "", 5, 5, []string{""}},
	} {
		got := wrap(c.text, c.first, c.rest)
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestHintFitsWhyThereIsNoRange(t *testing.T) {
	for _, tt := range []struct {
		quality model.Quality
		want    string
	}{
		{model.Quality{}, "no usable ranges of the broker were seen: the client did not ask, or got none in answer; --advertised supplies those of a release"},
		{model.Quality{MidstreamStreams: 1, OneSidedStreams: 1}, "no usable ranges of the broker were seen; capture from the start of a connection"},
		{model.Quality{OneSidedStreams: 1}, "no usable ranges of the broker were seen; capture both directions"},
		{model.Quality{MissingBytes: 100}, "no usable ranges of the broker were seen"},
	} {
		tt.quality.NotChecked = []model.NotChecked{{Reason: model.NotCheckedNoRange, Requests: 2}}
		n := uncheckedNote(&tt.quality, 0)
		if got := n.What + ": " + textPhrase(n.Text); got != "not checked: 2 requests, "+tt.want {
			t.Errorf("%+v: %s", tt.quality, got)
		}
	}
}
