package main

import (
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
)

// Every host, every way and every library has its part.
func TestMembersOfTheFleet(t *testing.T) {
	var hosts []*fleetHost
	for i := range fleetHosts {
		hosts = append(hosts, &fleetHost{way: ways[i%len(ways)]})
	}
	chosen := truthScenario.fitting("*")
	members := newMembers(chosen, hosts, true)
	ids, libraries, on := map[string]bool{}, map[string]bool{}, map[*fleetHost]bool{}
	for _, m := range members {
		ids[m.id], libraries[m.client.Library], on[m.host] = true, true, true
	}
	if len(members) != fleetSize || len(ids) != fleetSize || len(on) != fleetHosts || len(libraries) < 10 {
		t.Errorf("%d members with %d ids and %d libraries on %d hosts", len(members), len(ids), len(libraries), len(on))
	}
	if few := newMembers(chosen[:2], hosts, false); len(few) != 3 || few[0].length == 0 || few[2].client.Name != chosen[1].Name {
		t.Errorf("%d members of two clients", len(few))
	}
}

func TestTheProxiedListenerIsAdvertisedAtTheProxy(t *testing.T) {
	n := nodes(fleetNode)[0]
	got := advertisedBehind(n, "10.77.0.2", "10.78.204.2:19102")
	if !strings.HasPrefix(got, "advertised.listeners=") || !strings.Contains(got, "PROXIED_PLAINTEXT://10.78.204.2:19102") || !strings.Contains(got, "PLAINTEXT://10.77.0.2:9092") {
		t.Error(got)
	}
}

// rowOf is a row of the merged report.
func rowOf(id, verdict string, pid int, apis ...model.TargetUse) model.TargetClient {
	return model.TargetClient{ClientIDs: []string{id}, Verdict: verdict, APIs: apis, Processes: []model.Process{{PID: pid, Command: "client"}}}
}

func TestRowsAreHeldAgainstTheClients(t *testing.T) {
	commit := model.TargetUse{Name: "OffsetCommit", Version: 1}
	alone := []entry{{Client: "good", Outcome: allWell}, {Client: "bad", Outcome: failed, BrokerLog: []string{"OffsetCommit v1 x8"}}, {Client: "slow", Outcome: failed}}
	members := func(client string, more ...time.Duration) []*member {
		m := &member{id: "app", client: Client{Name: client}, pid: 7}
		if len(more) > 0 {
			m.length = more[0]
		}
		return []*member{m}
	}
	for _, tt := range []struct {
		name    string
		members []*member
		rows    []model.TargetClient
		want    string
	}{
		{"fine", members("good", time.Second), []model.TargetClient{rowOf("app", "fine", 7), rowOf(labID, "fine", 1), {Role: "replica fetcher", ClientIDs: []string{"broker-1"}}}, ""},
		{"breaks", members("bad"), []model.TargetClient{rowOf("app", "breaks", 7, commit)}, ""},
		{"no row", members("good"), nil, "0 rows"},
		{"two rows", members("good"), []model.TargetClient{rowOf("app", "fine", 7), rowOf("app", "fine", 7)}, "2 rows"},
		{"another row", members("good"), []model.TargetClient{rowOf("app", "fine", 7), rowOf("other", "fine", 7)}, "a row of nobody"},
		{"another process", members("good"), []model.TargetClient{rowOf("app", "fine", 8)}, "its process is 7"},
		{"no process", members("good", time.Second), []model.TargetClient{{ClientIDs: []string{"app"}, Verdict: "fine"}}, "not named"},
		{"missed", members("bad"), []model.TargetClient{rowOf("app", "fine", 7)}, "verdict fine, but the broker refused"},
		{"false", members("good"), []model.TargetClient{rowOf("app", "breaks", 7, commit)}, "verdict breaks, but the broker refused []"},
		{"another API", members("bad"), []model.TargetClient{rowOf("app", "breaks", 7, model.TargetUse{Name: "Fetch", Version: 1})}, "the broker refused OffsetCommit v1"},
		{"fails for another reason", members("slow"), []model.TargetClient{rowOf("app", "fine", 7)}, "verdict fine, but it failed"},
	} {
		var said []string
		for _, err := range checkMembers(&model.Report{Target: &model.Target{Clients: tt.rows}}, tt.members, alone) {
			said = append(said, err.Error())
		}
		if got := strings.Join(said, "; "); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWhatAKilledSnifferMayLose(t *testing.T) {
	killed := time.Unix(100, 0)
	at := func(before time.Duration) *model.Report {
		last := model.Time(killed.Add(-before).UnixNano())
		return &model.Report{Captures: []model.Capture{{Last: &last}}}
	}
	if lost, err := checkKilled(at(reportEvery), killed); err != nil || lost != reportEvery {
		t.Errorf("%v, %v", lost, err)
	}
	if _, err := checkKilled(at(reportEvery+2*late), killed); err == nil {
		t.Error("more than an interval is lost")
	}
	if _, err := checkKilled(&model.Report{Captures: []model.Capture{{}}}, killed); err == nil {
		t.Error("all is lost")
	}
}
