package chart

import (
	"os"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// TestDashboardSchema holds the dashboard against Grafana's schema, with the options of each kind of panel
// and the queries: no key is unknown, and none that is required is missing.
func TestDashboardSchema(t *testing.T) {
	raw, err := os.ReadFile("../../deploy/grafana/kafkavet.json")
	if err != nil {
		t.Fatal(err)
	}
	plugins.RegisterDefaultPlugins()
	//lint:ignore SA1019 the second version of the schema is for Grafana 12 and later
	var d dashboard.Dashboard
	// The error is an empty list, and not nil, where nothing is wrong.
	if err := d.UnmarshalJSONStrict(raw); err != nil && err.Error() != "" {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}
