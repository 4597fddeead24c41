import { useState } from 'react';
import type { CheckupInfo, DoctorInfo } from '@dxos-rs/client';
import { nameOf, useClient } from '../data/client.js';
import { useAction, useStore } from '../data/store.js';
import { Badge, Button, ConfirmButton, Note } from '../ui/controls.js';
import { formatBytes, plural } from '../ui/format.js';

/** Whether what is stored is whole: every block, object, index and queue checked. */
export function Doctor() {
  const client = useClient();
  const [report, setReport] = useState<DoctorInfo>();
  const [busy, run] = useAction();
  const check = (repair: boolean) =>
    void run(async () => {
      setReport(await client.doctor({ repair }));
    });
  const findings = report?.spaces.flatMap((space) => (space.repaired ? [] : space.findings)) ?? [];
  const mendable = findings.some((finding) => finding.derived) || (report !== undefined && report.orphanRows > 0 && !report.orphansRemoved);
  const lost = report?.spaces.some((space) => space.findings.some((finding) => !finding.derived)) ?? false;
  return (
    <section className="card" aria-labelledby="doctor-title" aria-busy={busy}>
      <div className="card-head">
        <h2 id="doctor-title">Whether it is whole</h2>
        <span role="status">{report && <Badge tone={report.whole ? 'good' : 'bad'}>{report.whole ? 'everything is whole' : 'not whole'}</Badge>}</span>
      </div>
      {report && (
        <ul className="list">
          {report.spaces.map((space) => (
            <Checked key={space.space} checked={space} />
          ))}
        </ul>
      )}
      <div className="card-body stack">
        {report && report.orphanRows > 0 && (
          <p className="soft">
            {plural(report.orphanRows, 'row')} ({formatBytes(report.orphanBytes)}) of spaces that are not here {report.orphansRemoved ? 'are removed' : 'are left'}.
          </p>
        )}
        {lost && (
          <Note tone="bad" icon="warning">
            Damaged blocks cannot be made anew: export what can be read, delete the space on this device, and join it again from another device, or restore an archive.
          </Note>
        )}
        {!report && <p className="soft">Every block is checked against its hash and signature, and objects, indexes and queues against the blocks. All of it is read.</p>}
        <div className="row wrap">
          <Button disabled={busy} onClick={() => check(false)}>
            {busy ? 'Checking…' : report ? 'Check again' : 'Check what is stored'}
          </Button>
          {mendable && (
            <ConfirmButton kind="primary" disabled={busy} question="Make anew what follows from the blocks, and remove what belongs to no space?" onConfirm={() => check(true)}>
              Repair
            </ConfirmButton>
          )}
        </div>
      </div>
    </section>
  );
}

function Checked({ checked }: { checked: CheckupInfo }) {
  const client = useClient();
  const spaces = useStore(client.spaces);
  const { space: key, blocks, objects, indexRows, findings, more, repaired, whole } = checked;
  const space = spaces.find((one) => one.key === key);
  return (
    <li>
      <div className="grow">
        <strong style={{ fontWeight: 560 }}>{space ? nameOf(space) : 'The identity’s own devices'}</strong>
        <span className="small faint" style={{ display: 'block' }}>
          {plural(blocks, 'block')}, {plural(objects, 'object')}, {plural(indexRows, 'row')} of indexes
        </span>
        {findings.length > 0 && (
          <ul className="findings small">
            {findings.map((finding, at) => (
              <li key={at}>
                <Badge tone={finding.derived ? 'warn' : 'bad'}>{finding.kind}</Badge> {finding.text}
              </li>
            ))}
            {more > 0 && <li className="faint">and {plural(more, 'more thing', 'more things')}</li>}
          </ul>
        )}
      </div>
      <Badge tone={whole ? 'good' : 'bad'}>{findings.length === 0 ? 'whole' : repaired ? 'made anew' : 'not whole'}</Badge>
    </li>
  );
}
