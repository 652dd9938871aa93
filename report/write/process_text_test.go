package write

import (
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
)

func TestProcessesInWords(t *testing.T) {
	for _, c := range []struct {
		p    model.Process
		want string
	}{
		{model.Process{PID: 4711, Command: "loader", User: "kafka", Container: "0123", Pod: "loader-abc", Namespace: "shop"}, "pid 4711 loader, pod shop/loader-abc"},
		{model.Process{PID: 4711, Command: "loader", User: "1001", Container: "0123", Namespace: "shop"}, "pid 4711 loader, a pod in namespace shop"},
		{model.Process{PID: 4711, Command: "loader", User: "kafka", Container: "0123"}, "pid 4711 loader, container 0123"},
		{model.Process{PID: 4711, Command: "loader", User: "kafka"}, "pid 4711 loader, user kafka"},
		{model.Process{PID: 4711}, "pid 4711"},
		{model.Process{Command: "command-1f2e3d4c", Pod: "pod-1f2e3d4c"}, "command-1f2e3d4c, pod pod-1f2e3d4c"},
	} {
		if got := processText(&c.p); got != c.want {
			t.Errorf("%+v is %q, want %q", c.p, got, c.want)
		}
	}
	many := []model.Process{{PID: 1}, {PID: 2}, {PID: 3}, {PID: 4}}
	id := "a\x1b"
	f := &model.Finding{Client: &model.FindingClient{SoftwareName: "lib", ClientID: &id, Addresses: []string{"10.0.0.1"}, Processes: many, Principals: []string{"alice"}}}
	if got, want := (&textReport{}).client(f), `a\x1b (lib, principal alice, pid 1, pid 2, 2 more) from 10.0.0.1`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := textPhrase(ownerPhrase([]string{"alice"}, many)), ", principal alice, pid 1, pid 2 and 2 more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
