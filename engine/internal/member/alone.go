package member

import "context"

// AloneID is the identity of a standalone worker. It can be a constant, since the lock of a data folder lets only one
// worker use it at a time.
const AloneID = "standalone"

// Alone is the membership of a standalone worker: one member, which always leads.
type Alone struct{ self Member }

// NewAlone makes the membership of a member; an ID that is "" becomes AloneID.
func NewAlone(self Member) *Alone {
	if self.ID == "" {
		self.ID = AloneID
	}
	return &Alone{self}
}

// ID is the member's ID.
func (a *Alone) ID() string { return a.self.ID }

// Run calls changed once and returns nil when ctx is done.
func (a *Alone) Run(ctx context.Context, changed func(View)) error {
	changed(View{Self: a.self.ID, Leader: a.self.ID, Generation: 1, Members: []Member{a.self}})
	<-ctx.Done()
	return nil
}

// Confirm tests with the group that this member still leads (rule 3 of D2). Nobody else can.
func (a *Alone) Confirm(ctx context.Context) error { return ctx.Err() }

// Lease holds for ever.
func (a *Alone) Lease() Lease { return Forever() }
