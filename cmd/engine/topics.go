package main

import (
	"context"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/store/topic"
)

// openTopics opens the store of a worker's cluster: topics that are missing are made, and all are read to their ends.
func (w *clustered) openTopics(ctx context.Context, address string) (*topic.Store, error) {
	client, err := engine.StoreClients(w.settings, w.log)
	if err != nil {
		return nil, err
	}
	d := w.settings.Distributed
	return topic.Open(ctx, topic.Settings{
		Group: d.Group, ClientID: w.settings.Base["client.id"], Address: address, Client: client, Logger: w.log, Level: w.loggers.Set,
		Config:   topic.Topic{Name: d.ConfigTopic, Partitions: 1, Replication: int16(d.ConfigReplicas), Configs: d.ConfigSettings},
		Offsets:  topic.Topic{Name: d.OffsetTopic, Partitions: int32(d.OffsetPartitions), Replication: int16(d.OffsetReplicas), Configs: d.OffsetSettings},
		Statuses: topic.Topic{Name: d.StatusTopic, Partitions: int32(d.StatusPartitions), Replication: int16(d.StatusReplicas), Configs: d.StatusSettings},
	})
}
