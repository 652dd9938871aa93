package decode

import (
	"strings"
	"testing"
)

func TestNamesOfVendors(t *testing.T) {
	newest := Tables()[len(Tables())-1].Release
	for _, tt := range []struct{ name, release, note string }{
		{"latest", newest, ""},
		{"kafka-4", newest, ""},
		{"kafka-3", "3.9.2", ""},
		{"4", newest, ""},
		{"confluent-8.0", "4.0.2", "Confluent Platform 8.0 contains Kafka 4.0"},
		{"cp-8", "4.1.2", "Confluent Platform 8.1 contains Kafka 4.1"},
		{"cp-7.9", "3.9.2", "Confluent Platform 7.9 contains Kafka 3.9"},
		{"cp-7.9.3", "3.9.2", "Confluent Platform 7.9 contains Kafka 3.9"},
		{"cp-3.3", "0.11.0.3", "Confluent Platform 3.3 contains Kafka 0.11.0"},
		{"msk-4.0", "4.0.2", "Amazon MSK uses Kafka's release numbers"},
		{"msk-4.0.x", "4.0.2", "Amazon MSK uses Kafka's release numbers"},
		{"msk-3.7.x.kraft", "3.7.2", "Amazon MSK uses Kafka's release numbers"},
		{"msk-4", newest, "Amazon MSK uses Kafka's release numbers"},
		{"msk-2.3.1", "2.3.1", "Amazon MSK uses Kafka's release numbers"},
		{"msk-2.4.1.1", "2.4.1", "Amazon MSK uses Kafka's release numbers; there is no table of 2.4.1.1, that of 2.4.1 is the nearest"},
		{"msk-2.6.0", "2.6.1", "Amazon MSK uses Kafka's release numbers; there is no table of 2.6.0, that of 2.6.1 is the nearest"},
		{"msk-2.6.2", "2.6.3", "Amazon MSK uses Kafka's release numbers; there is no table of 2.6.2, that of 2.6.3 is the nearest"},
		{"msk-2.8.2-tiered", "2.8.2", "Amazon MSK uses Kafka's release numbers"},
		{"msk-2.8.2.tiered", "2.8.2", "Amazon MSK uses Kafka's release numbers"},
		{"msk-3.5.1", "3.5.2", "Amazon MSK uses Kafka's release numbers; there is no table of 3.5.1, that of 3.5.2 is the nearest"},
		{"msk-3.9.x", "3.9.2", "Amazon MSK uses Kafka's release numbers"},
	} {
		r, err := LoadReference(tt.name)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if note := strings.Join(r.Notes, "; "); r.Table.Release != tt.release || note != tt.note || r.Table.Mode == Controller {
			t.Errorf("%s is Kafka %s (%s) %q, want %s, %q", tt.name, r.Table.Release, r.Table.Mode, note, tt.release, tt.note)
		}
	}
	for name, want := range map[string]Mode{"msk-3.7.x": ZooKeeper, "msk-3.7.x.kraft": KRaft, "msk-3.5.1": ZooKeeper, "msk-4.0.x": KRaft, "msk-4.0.x.kraft": KRaft} {
		if table, err := FindTable(name); err != nil || table.Mode != want {
			t.Errorf("%s: %+v, %v, want mode %s", name, table, err, want)
		}
	}
	for name, want := range map[string]string{
		"confluent-9.0": "the newest known is confluent-8.1", "kafka-9": "the nearest are", "msk-9.0": "the nearest are", "cp-7.90": "unknown release",
		"msk-four": "no file of that name",
	} {
		if _, err := LoadReference(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
	for _, name := range VendorNames() {
		if _, err := FindTable(name); err != nil || !IsTableName(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
