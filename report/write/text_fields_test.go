package write

import (
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
)

// TestAddressesOfAFindingAreCountedAsFarAsTheyAreKnown: a merged report keeps the first ones only.
func TestAddressesOfAFindingAreCountedAsFarAsTheyAreKnown(t *testing.T) {
	for _, tt := range []struct {
		listed  int
		omitted uint64
		want    string
	}{
		{0, 0, ""},
		{2, 0, " from 10.0.0.1, 10.0.0.1"},
		{8, 0, " from 10.0.0.1, 10.0.0.1, 10.0.0.1 and 5 more"},
		{8, 9, " from 10.0.0.1, 10.0.0.1, 10.0.0.1 and more than 5 others"},
		{model.MaxMembers, 0, " from 10.0.0.1, 10.0.0.1, 10.0.0.1 and at least 61 more"},
	} {
		c := &model.FindingClient{Addresses: slices.Repeat([]string{"10.0.0.1"}, tt.listed), AddressesOmitted: tt.omitted}
		if got := from(c); got != tt.want {
			t.Errorf("%d addresses, %d omitted: %q, want %q", tt.listed, tt.omitted, got, tt.want)
		}
	}
}
