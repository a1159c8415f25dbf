package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/config"
)

// hook puts the guards and corrections in front of kfake's own handling of requests.
func (b *Broker) hook() {
	for key, answer := range map[kmsg.Key]func(kmsg.Request) kmsg.Response{
		kmsg.AlterClientQuotas:       refuseQuotas,
		kmsg.AlterConfigs:            refuseSettings,
		kmsg.CreateTopics:            b.createTopics,
		kmsg.DeleteRecords:           b.deleteRecords,
		kmsg.DescribeClientQuotas:    describeQuotas,
		kmsg.DescribeTopicPartitions: b.describePartitions,
		kmsg.IncrementalAlterConfigs: refuseSettingsOneByOne,
		kmsg.InitProducerID:          b.refuseTransactions,
		kmsg.OffsetFetch:             b.fetchOffsets,
	} {
		b.cluster.ControlKey(int16(key), func(req kmsg.Request) (resp kmsg.Response, _ error, _ bool) {
			b.cluster.KeepControl()
			b.ask(func() { resp = answer(req) })
			return resp, nil, resp != nil
		})
	}
	b.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (resp kmsg.Response, err error, _ bool) {
		b.cluster.KeepControl()
		b.ask(func() { resp, err = b.refuseWithoutKey(req.(*kmsg.ProduceRequest)) })
		return resp, err, resp != nil || err != nil
	})
	b.cluster.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1, When: b.disk.refuses},
		kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorNotAvailable, Count: -1, When: b.disk.refuses},
		kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions}, Err: kerr.KafkaStorageError, Count: -1, When: b.disk.refuses},
		// Kafka without an authorizer answers so; kfake would keep rules and users that nobody asks for.
		kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeACLs, kmsg.CreateACLs, kmsg.DeleteACLs}, Err: kerr.SecurityDisabled, Count: -1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.AlterUserSCRAMCredentials}, Err: kerr.SecurityDisabled, Count: -1},
	)
}

// refuseTransactions answers a producer with a transactional id as a cluster does that does not allow it, which clients
// take as final; kfake itself would let two producers of one id write (invariant 5).
func (b *Broker) refuseTransactions(req kmsg.Request) kmsg.Response {
	init := req.(*kmsg.InitProducerIDRequest)
	if init.TransactionalID == nil {
		return nil
	}
	b.log.Warn("development broker: a producer with a transactional id was refused, since exactly-once delivery needs a real Kafka",
		"transactional_id", *init.TransactionalID)
	resp := init.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	return resp
}

const noQuotas = "The development broker has no quotas."

// describeQuotas says that there are none, with a list that Java's admin client needs.
func describeQuotas(req kmsg.Request) kmsg.Response {
	resp := req.(*kmsg.DescribeClientQuotasRequest).ResponseKind().(*kmsg.DescribeClientQuotasResponse)
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
	return resp
}

// refuseQuotas refuses what kfake would keep and not act on.
func refuseQuotas(req kmsg.Request) kmsg.Response {
	alter := req.(*kmsg.AlterClientQuotasRequest)
	resp := alter.ResponseKind().(*kmsg.AlterClientQuotasResponse)
	for _, e := range alter.Entries {
		one := kmsg.NewAlterClientQuotasResponseEntry()
		text := noQuotas
		one.ErrorCode, one.ErrorMessage = kerr.PolicyViolation.Code, &text
		for _, entity := range e.Entity {
			one.Entity = append(one.Entity, kmsg.AlterClientQuotasResponseEntryEntity{Type: entity.Type, Name: entity.Name})
		}
		resp.Entries = append(resp.Entries, one)
	}
	return resp
}

// refuseSettings looks at a request to replace settings.
func refuseSettings(req kmsg.Request) kmsg.Response {
	alter := req.(*kmsg.AlterConfigsRequest)
	var wanted []change
	for _, r := range alter.Resources {
		c := change{kind: r.ResourceType}
		for _, s := range r.Configs {
			c.names = append(c.names, s.Name)
		}
		wanted = append(wanted, c)
	}
	refusals := check(wanted)
	if refusals == nil {
		return nil
	}
	resp := alter.ResponseKind().(*kmsg.AlterConfigsResponse)
	for i, r := range alter.Resources {
		one := kmsg.NewAlterConfigsResponseResource()
		one.ResourceType, one.ResourceName = r.ResourceType, r.ResourceName
		one.ErrorCode, one.ErrorMessage = code(refusals[i])
		resp.Resources = append(resp.Resources, one)
	}
	return resp
}

// refuseSettingsOneByOne looks at a request to change settings.
func refuseSettingsOneByOne(req kmsg.Request) kmsg.Response {
	alter := req.(*kmsg.IncrementalAlterConfigsRequest)
	var wanted []change
	for _, r := range alter.Resources {
		c := change{kind: r.ResourceType}
		for _, s := range r.Configs {
			c.names = append(c.names, s.Name)
		}
		wanted = append(wanted, c)
	}
	refusals := check(wanted)
	if refusals == nil {
		return nil
	}
	resp := alter.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for i, r := range alter.Resources {
		one := kmsg.NewIncrementalAlterConfigsResponseResource()
		one.ResourceType, one.ResourceName = r.ResourceType, r.ResourceName
		one.ErrorCode, one.ErrorMessage = code(refusals[i])
		resp.Resources = append(resp.Resources, one)
	}
	return resp
}

// change is what a request does to the settings of one resource.
type change struct {
	kind  kmsg.ConfigResourceType
	names []string
}

// check gives nil when all changes may be made, else a refusal for each: none is made then.
func check(changes []change) []error {
	refusals := make([]error, len(changes))
	refused := false
	for i, c := range changes {
		refusals[i] = c.check()
		refused = refused || refusals[i] != nil
	}
	if !refused {
		return nil
	}
	for i := range refusals {
		if refusals[i] == nil {
			refusals[i] = refusal{kerr.InvalidRequest, "Nothing was changed, since another part of the request was refused."}
		}
	}
	return refusals
}

// check refuses settings that Kafka does not have, and the broker's own: the guards rest on them.
func (c change) check() error {
	switch c.kind {
	case kmsg.ConfigResourceTypeTopic:
		for _, name := range c.names {
			if !slices.Contains(config.TopicSettings(), name) {
				return refusal{kerr.InvalidConfig, "Unknown topic config name: " + name}
			}
		}
	case kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger:
		return refusal{kerr.PolicyViolation, "The settings of the development broker itself cannot be changed."}
	}
	return nil
}
