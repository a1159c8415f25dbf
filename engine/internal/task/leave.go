package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumer is the client of a sink task as a member of its consumer group.
type consumer struct {
	*kgo.Client
	group string
	cut   context.CancelFunc          // ends everything that the client does
	other func() (*kgo.Client, error) // makes a client of the same settings that joins nothing
}

// newConsumer makes the client, which joins the group as soon as it is made and goes on after life: it ends with close.
func (t *Task) newConsumer(life context.Context, opts ...kgo.Opt) (*consumer, error) {
	settings, id, group := t.Instance.Task.Consumer, "connector-consumer-"+t.name(), "connect-"+t.Instance.Name
	ctx, cut := context.WithCancel(context.WithoutCancel(life))
	client, err := t.Clients.ConsumerClient(settings, id, group, append(opts, kgo.WithContext(ctx))...)
	if err != nil {
		cut()
		return nil, fmt.Errorf("make the consumer: %w", err)
	}
	c := &consumer{Client: client, cut: cut}
	c.group, _ = client.OptValue(kgo.ConsumerGroup).(string)
	c.other = func() (*kgo.Client, error) { return t.Clients.ConsumerClient(settings, id, "") }
	return c, nil
}

// leave takes the member out of its group, so that its partitions go to others at once. The client waits for a rebalance that is
// under way before it leaves, since whoever uses it may have to commit until then; a task has committed, and a rebalance may
// take longer than a stop. So after patience the client is given up, and another one tells the group. A static member
// stays until its session ends, as in Kafka (KIP-345).
func (c *consumer) leave(ctx context.Context, patience time.Duration) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c.AllowRebalance()
	err := c.LeaveGroupContext(patient)
	if err == nil || patient.Err() == nil {
		return err
	}
	member, _ := c.GroupMetadata()
	c.cut() // before the group is told: who is told that it is no member would join again
	if c.static() || member == "" {
		return nil
	}
	client, err := c.other()
	if err != nil {
		return err
	}
	defer client.Close()
	return remove(ctx, client, c.group, member)
}

func (c *consumer) static() bool {
	instance, _ := c.OptValue(kgo.InstanceID).(string)
	return instance != ""
}

// close ends the client, which must have left.
func (c *consumer) close() {
	c.CloseAllowingRebalance()
	c.cut()
}

// succeed takes out of the group who was this very task before, on a worker that has died without leaving: it runs no more, or
// this one would not (invariant 5), and the group would wait for the end of its session before it gives anybody anything.
// name is the client.id that no other task has; with another one, which tasks may share, nothing is done.
func (c *consumer) succeed(ctx context.Context, name string) error {
	if id, _ := c.OptValue(kgo.ClientID).(string); id != name || c.static() {
		return nil
	}
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{c.group}
	res, err := req.RequestWith(ctx, c.Client)
	if err != nil {
		return fmt.Errorf("describe group %s: %w", c.group, err)
	}
	// A broker lists a member once it has joined by the name that it was given (KIP-394), which the client knew before.
	self, _ := c.GroupMetadata()
	for _, g := range res.Groups {
		for _, m := range g.Members {
			if m.ClientID != name || m.MemberID == self || m.InstanceID != nil {
				continue
			}
			if err := remove(ctx, c.Client, c.group, m.MemberID); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove tells a group that a member has gone. That it has is no error.
func remove(ctx context.Context, client *kgo.Client, group, member string) error {
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.Reason = member, new("the task has ended")
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = group, member
	req.Members = append(req.Members, m)
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("remove a member of group %s: %w", group, err)
	}
	codes := []int16{res.ErrorCode}
	for _, m := range res.Members {
		codes = append(codes, m.ErrorCode)
	}
	for _, code := range codes {
		if err := kerr.ErrorForCode(code); err != nil && !errors.Is(err, kerr.UnknownMemberID) {
			return fmt.Errorf("remove a member of group %s: %w", group, err)
		}
	}
	return nil
}
