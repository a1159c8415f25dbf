package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/kafka"
)

// explain says why a join cannot succeed and what to do; nil when trying again may help.
func (g *Group) explain(ctx context.Context, err error) *diag.Diagnostic {
	refused := func(code diag.Code, format string, args ...any) *diag.Diagnostic {
		d := diag.New(code, diag.Place{}, format, args...)
		return &d
	}
	switch {
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return refused(diag.GroupInUse, "%s", g.others(ctx))
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return refused(diag.BrokerRefused, "This worker may not join the group %s: the cluster gives its user no READ on it.\n\nAllow it, with the user's name: kafka-acls.sh --bootstrap-server HOST:PORT --add --allow-principal User:NAME --operation Read --operation Describe --group %s", g.Group, g.Group)
	case errors.Is(err, kerr.InvalidSessionTimeout):
		return refused(diag.InvalidValue, "The cluster does not take session.timeout.ms = %d.\n\nChoose one between its group.min.session.timeout.ms and group.max.session.timeout.ms, by default from 6000 to 1800000.", g.Session.Milliseconds())
	case errors.Is(err, kerr.InvalidGroupID):
		return refused(diag.InvalidValue, "The cluster does not take %q as a group.id.", g.Group)
	}
	if d := kafka.Explain(err); d != nil && d.Code != diag.KafkaDown {
		return d
	}
	return nil
}

// others says who has the group.
func (g *Group) others(ctx context.Context) string {
	text := fmt.Sprintf("The group %s is used by others, with another protocol.", g.Group)
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{g.Group}
	res, err := req.RequestWith(ctx, g.client)
	if err == nil && len(res.Groups) == 1 && res.Groups[0].ErrorCode == 0 {
		is := res.Groups[0]
		var hosts []string
		for _, m := range is.Members {
			hosts = append(hosts, strings.TrimPrefix(m.ClientHost, "/"))
		}
		slices.Sort(hosts)
		hosts = slices.Compact(hosts)
		switch from := strings.Join(hosts[:min(len(hosts), 5)], ", "); {
		case is.ProtocolType == protocolType && len(is.Members) > 0:
			return fmt.Sprintf("The group %s is used by Kafka Connect, whose workers run on %s. Workers of both kinds cannot share a group.\n\nStop all of them first; this cluster then goes on where they stopped. Or choose another group.id, with other storage topics. A worker that was killed is in the group until its session ends, 10 seconds by default.", g.Group, from)
		case is.ProtocolType != "":
			return fmt.Sprintf("The group %s is used for something else: its members, on %s, speak the protocol %q.\n\nChoose another group.id.", g.Group, from, is.ProtocolType)
		}
	}
	return text + "\n\nChoose another group.id, or stop them first."
}
