//go:build root

package live

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
)

// TestDashboard has Prometheus scrape two sniffers under traffic. Every query of the dashboard must find
// something, and the alert of a client that breaks must fire.
func TestDashboard(t *testing.T) {
	dir := t.TempDir()
	var targets, addrs []string
	for range 2 {
		addr, port := broker(t, kversion.V2_1_0())
		p := sniff(t, port, "--listen", ":0", "--target", "kafka-2.1")
		line, _, _ := p.err.find("serving the current report at ")
		_, at, _ := strings.Cut(line, "http://")
		targets, addrs = append(targets, strings.TrimSuffix(at, "/")), append(addrs, addr)
	}
	rules, err := filepath.Abs("../../deploy/prometheus/kafkavet.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\n"+
		"scrape_configs: [{job_name: kafkavet, static_configs: [{targets: [%q, %q]}]}]\n", rules, targets[0], targets[1])
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	const address = "127.0.0.1:19990"
	server := start(t, "Server is ready", "prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	for range 10 {
		for _, addr := range addrs {
			violate(t, addr)
		}
		time.Sleep(700 * time.Millisecond)
	}
	queries := dashboardQueries(t)
	if len(queries) < 10 {
		t.Fatalf("%d queries", len(queries))
	}
	for _, q := range queries {
		server.until(func() bool { return len(ask(t, address, q)) > 0 }, "an answer to "+q)
	}
	if n := len(ask(t, address, `kafkavet_build_info`)); n != 2 {
		t.Errorf("%d hosts are watched, want 2", n)
	}
	server.until(func() bool {
		return len(ask(t, address, `ALERTS{alertname="KafkaClientBreaksOnTarget",alertstate="firing"}`)) == 1
	}, "an alert")
}

// dashboardQueries are the queries of the dashboard, with the values of its variables.
func dashboardQueries(t *testing.T) (queries []string) {
	t.Helper()
	data, err := os.ReadFile("../../deploy/grafana/kafkavet.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer("$instance", ".*", "$__rate_interval", "5s")
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			queries = append(queries, values.Replace(target.Expr))
		}
	}
	return queries
}

// ask asks Prometheus, and returns the series of the answer.
func ask(t *testing.T, address, query string) (series []json.RawMessage) {
	t.Helper()
	client := http.Client{Timeout: patience}
	r, err := client.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	var answer struct {
		Status string
		Data   struct{ Result []json.RawMessage }
	}
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v: %s", query, err, body)
	}
	return answer.Data.Result
}
