package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var (
	_ gateway.StateStore = (*Store)(nil)
	_ gateway.Lineage    = (*Store)(nil)
)

// fleetSchema is the part of meta.db that a list of devices reads: the newest
// account of each device, and which record took whose place.
const fleetSchema = `
CREATE TABLE IF NOT EXISTS state(
  source INTEGER PRIMARY KEY REFERENCES source(idx),
  health_ms INTEGER NOT NULL DEFAULT 0, health BLOB,
  policy_ms INTEGER NOT NULL DEFAULT 0, policy BLOB,
  push_ms INTEGER NOT NULL DEFAULT 0, push_version INTEGER NOT NULL DEFAULT 0, push_reason INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS successor(
  source INTEGER PRIMARY KEY REFERENCES source(idx),
  by INTEGER NOT NULL REFERENCES source(idx)) STRICT;
CREATE INDEX IF NOT EXISTS successor_by ON successor(by);
CREATE INDEX IF NOT EXISTS device_asset ON device(asset_id) WHERE asset_id <> '';
`

// PutState notes what is newer than what is kept. A time ahead of the clock counts
// as now: one of a broken clock would keep out all that follow.
func (s *Store) PutState(ctx context.Context, st gateway.DeviceState) error {
	health, healthMS, err := s.account(st.Health, st.Health == nil, st.HealthAt)
	if err != nil {
		return fmt.Errorf("put state: %w", err)
	}
	policy, policyMS, err := s.account(st.Policy, st.Policy == nil, st.PolicyAt)
	if err != nil {
		return fmt.Errorf("put state: %w", err)
	}
	var push gateway.PushState
	var pushMS int64
	if st.Push != nil {
		push, pushMS = *st.Push, max(1, min(ms(st.PushAt), s.opts.Now().UnixMilli()))
	}
	return s.change(ctx, "put state", `INSERT INTO state(source, health_ms, health, policy_ms, policy, push_ms, push_version, push_reason)
		SELECT source, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM device WHERE known = 1 AND id = ?1
		ON CONFLICT(source) DO UPDATE SET
			health = CASE WHEN excluded.health_ms >= health_ms AND excluded.health_ms > 0 THEN excluded.health ELSE health END,
			health_ms = max(health_ms, excluded.health_ms),
			policy = CASE WHEN excluded.policy_ms >= policy_ms AND excluded.policy_ms > 0 THEN excluded.policy ELSE policy END,
			policy_ms = max(policy_ms, excluded.policy_ms),
			push_version = CASE WHEN excluded.push_ms >= push_ms AND excluded.push_ms > 0 THEN excluded.push_version ELSE push_version END,
			push_reason = CASE WHEN excluded.push_ms >= push_ms AND excluded.push_ms > 0 THEN excluded.push_reason ELSE push_reason END,
			push_ms = max(push_ms, excluded.push_ms)`,
		string(st.Device), healthMS, health, policyMS, policy, pushMS, int64(min(push.Version, math.MaxInt64)), int32(push.Reason))
}

// account returns the columns of one account. The time tells whether there is one:
// an empty message has no bytes.
func (s *Store) account(m proto.Message, none bool, at time.Time) (body any, when int64, err error) {
	if none {
		return nil, 0, nil
	}
	b, err := proto.Marshal(m)
	return b, max(1, min(ms(at), s.opts.Now().UnixMilli())), err
}

// States returns the state of every device that has a record.
func (s *Store) States(ctx context.Context) ([]gateway.DeviceState, error) {
	found, err := collect(ctx, s.meta, scanState, `SELECT d.id, coalesce(t.health_ms, 0), t.health, coalesce(t.policy_ms, 0), t.policy,
			coalesce(t.push_ms, 0), coalesce(t.push_version, 0), coalesce(t.push_reason, 0), coalesce(n.id, ''), coalesce(m.anonymous, 0)
		FROM device d LEFT JOIN state t ON t.source = d.source LEFT JOIN successor c ON c.source = d.source
			LEFT JOIN device n ON n.source = c.by LEFT JOIN subject m ON m.kind = 2 AND m.source = d.source
		WHERE d.known = 1 ORDER BY d.id`)
	if err != nil {
		return nil, fmt.Errorf("states: %w", err)
	}
	return found, nil
}

func scanState(rows *sql.Rows) (st gateway.DeviceState, err error) {
	var health, policy []byte
	var healthMS, policyMS, pushMS int64
	var push gateway.PushState
	if err := rows.Scan(&st.Device, &healthMS, &health, &policyMS, &policy, &pushMS, &push.Version, &push.Reason, &st.SupersededBy, &st.Anonymous); err != nil {
		return st, err
	}
	if healthMS != 0 {
		st.Health, st.HealthAt = &eventv1.AgentHealth{}, fromMS(healthMS)
		err = proto.Unmarshal(health, st.Health)
	}
	if policyMS != 0 && err == nil {
		st.Policy, st.PolicyAt = &eventv1.PolicyApplied{}, fromMS(policyMS)
		err = proto.Unmarshal(policy, st.Policy)
	}
	if err != nil {
		return st, fmt.Errorf("decode state: %w", err)
	}
	if pushMS != 0 {
		st.Push, st.PushAt = &push, fromMS(pushMS)
	}
	return st, nil
}

// EnrolDevice puts the record and marks those whose place it takes, as one.
func (s *Store) EnrolDevice(ctx context.Context, d gateway.DeviceRecord, live func(gateway.Device) bool) (old []gateway.Device, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		source, err := putDevice(ctx, tx, d)
		if err != nil || d.AssetID == "" {
			return err
		}
		same, err := collect(ctx, tx, scanText, `SELECT id FROM device WHERE known = 1 AND asset_id = ?1 AND asset_id <> '' AND grp = ?2 AND source <> ?3
			AND source NOT IN (SELECT source FROM successor) ORDER BY id`, d.AssetID, d.Group, source)
		if err != nil {
			return err
		}
		for _, id := range same {
			if live != nil && live(gateway.Device(id)) {
				continue
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO successor(source, by) SELECT source, ?2 FROM device WHERE id = ?1`, id, source)
			if err == nil {
				_, err = tx.ExecContext(ctx, `UPDATE device SET revoked = 1 WHERE id = ?`, id)
			}
			if err != nil {
				return err
			}
			old = append(old, gateway.Device(id))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("enrol device: %w", err)
	}
	return old, nil
}

// Family returns all records of the laptop that dev is. UNION ends where it meets
// what it has.
func (s *Store) Family(ctx context.Context, dev gateway.Device) ([]gateway.Device, error) {
	ids, err := collect(ctx, s.meta, scanText, `WITH RECURSIVE family(source) AS (
			SELECT source FROM device WHERE id = ?
			UNION SELECT c.by FROM successor c JOIN family f ON c.source = f.source
			UNION SELECT c.source FROM successor c JOIN family f ON c.by = f.source)
		SELECT d.id FROM family f JOIN device d ON d.source = f.source ORDER BY d.id`, string(dev))
	if err != nil {
		return nil, fmt.Errorf("family of a device: %w", err)
	}
	all := make([]gateway.Device, len(ids))
	for i, id := range ids {
		all[i] = gateway.Device(id)
	}
	return all, nil
}

// prune removes what belongs to nobody whom the store still has.
func prune(ctx context.Context, tx *sql.Tx) error {
	if err := pruneIdentities(ctx, tx); err != nil {
		return err
	}
	return pruneFleet(ctx, tx)
}

// pruneFleet removes the states of devices that are gone, and ties to them. A tie
// to an anonymous machine goes too: the other's asset id would name it again.
func pruneFleet(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM state WHERE source NOT IN (SELECT source FROM device)`)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM successor WHERE source NOT IN (SELECT source FROM device) OR by NOT IN (SELECT source FROM device)
			OR source IN (SELECT source FROM subject WHERE kind = 2 AND anonymous = 1)
			OR by IN (SELECT source FROM subject WHERE kind = 2 AND anonymous = 1)`)
	return err
}

// expireStates removes the accounts that were made before the floor.
func expireStates(ctx context.Context, tx *sql.Tx, floor day) error {
	for _, change := range []string{
		`UPDATE state SET health = NULL, health_ms = 0 WHERE health_ms < ?`,
		`UPDATE state SET policy = NULL, policy_ms = 0 WHERE policy_ms < ?`,
		`UPDATE state SET push_ms = 0, push_version = 0, push_reason = 0 WHERE push_ms < ?`,
		`DELETE FROM state WHERE health_ms + policy_ms + push_ms < ?`, // none is left
	} {
		if _, err := tx.ExecContext(ctx, change, max(1, int64(floor)*msPerDay)); err != nil {
			return err
		}
	}
	return nil
}
