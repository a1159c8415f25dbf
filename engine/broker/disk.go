package broker

import (
	"log/slog"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
)

// reserve is how much of a disk is left free: kfake goes on after a write or sync that failed, so none may fail. Of a
// small disk it is a tenth.
const reserve = 64 << 20

// disk says whether records may be written. Its methods but fail are called by the cluster's goroutine only.
type disk struct {
	dir   string
	log   *slog.Logger
	space func(dir string) (free, total int64, err error)

	full   bool
	broken atomic.Bool // a write has failed
}

// refuses reports whether a request that stores something has to wait. It asks the file system each time, which costs
// next to nothing beside the sync of a write.
func (d *disk) refuses(req kmsg.Request) bool {
	if d.broken.Load() {
		return true
	}
	free, total, err := d.space(d.dir)
	if err != nil {
		d.log.Warn("development broker: cannot tell how much space is left", "folder", d.dir, "error", err)
		return false
	}
	full := free-size(req) < min(reserve, total/10)
	if full != d.full {
		d.tell(full, free)
	}
	d.full = full
	return full
}

func (d *disk) tell(full bool, free int64) {
	if !full {
		d.log.Info("development broker: there is space again, records are taken", "folder", d.dir, "free_bytes", free)
		return
	}
	message := diag.New(diag.DiskFull, diag.Place{}, "The disk of the development broker's folder %s has %d MB left, and it takes no more records until there is more. "+
		"Producers wait and try again; nothing is lost. Free space on that disk, or delete topics.", d.dir, free>>20)
	d.log.Error("development broker: no space left on the disk", "code", string(message.Code), "detail", message.Detail)
}

// fail is for a write that failed all the same, as by a quota. The record may be counted without being there, so nothing
// more is taken until the folder has been read again.
func (d *disk) fail(reason string) {
	if d.broken.Swap(true) {
		return
	}
	message := diag.New(diag.DiskFull, diag.Place{}, "The development broker could not write to %s (%s), and takes no more records. Make room, then start it again.", d.dir, reason)
	d.log.Error("development broker: a write failed", "code", string(message.Code), "detail", message.Detail)
}

// size is about how many bytes a request stores.
func size(req kmsg.Request) int64 {
	produce, ok := req.(*kmsg.ProduceRequest)
	if !ok {
		return 0
	}
	var n int64
	for _, t := range produce.Topics {
		for _, p := range t.Partitions {
			n += int64(len(p.Records))
		}
	}
	return n
}
