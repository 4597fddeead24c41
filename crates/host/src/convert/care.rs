//! How a space is kept, as it goes over the wire.

use dxos_client::{
    Checkup, DeviceSync, DoctorReport, EpochReport, EpochState, ErasureReport, ErasureState,
    Finding, GcReport, SpaceReason, SpaceStats, SyncStatus,
};

use super::texts;
use crate::protocol::{
    CheckupInfo, DeviceSyncInfo, DoctorInfo, EpochInfo, EpochStateInfo, ErasureInfo,
    ErasureStateInfo, FindingInfo, GarbageInfo, MissingRangeInfo, SpaceBytesInfo, SpaceReasonInfo,
    SpaceReasonKind, SpaceStatsInfo, SyncStatusInfo,
};

pub(crate) fn reason(reason: &SpaceReason) -> SpaceReasonInfo {
    SpaceReasonInfo {
        kind: match reason {
            SpaceReason::AwaitsAdmission => SpaceReasonKind::AwaitsAdmission,
            SpaceReason::AwaitsContentKey => SpaceReasonKind::AwaitsContentKey,
            SpaceReason::ClosedByUser => SpaceReasonKind::ClosedByUser,
            SpaceReason::DeletedByUser => SpaceReasonKind::DeletedByUser,
            SpaceReason::Failed { .. } | SpaceReason::NotStored(_) => SpaceReasonKind::Failed,
            SpaceReason::InvitationLost => SpaceReasonKind::InvitationLost,
            SpaceReason::Left => SpaceReasonKind::Left,
            SpaceReason::Opening => SpaceReasonKind::Opening,
            SpaceReason::Removed { .. } => SpaceReasonKind::Removed,
            SpaceReason::Restoring => SpaceReasonKind::Restoring,
            SpaceReason::Revoked => SpaceReasonKind::Revoked,
            _ => SpaceReasonKind::Unknown,
        },
        message: reason.to_string(),
    }
}

pub(crate) fn sync_status(status: &SyncStatus) -> SyncStatusInfo {
    SyncStatusInfo {
        blocks: status.blocks,
        complete: status.is_complete(),
        devices: status.devices.iter().map(device).collect(),
    }
}

fn device(device: &DeviceSync) -> DeviceSyncInfo {
    DeviceSyncInfo {
        device: device.device.to_string(),
        identity: device.identity.to_string(),
        own: device.is_own,
        receipt: device.receipt,
        signed_at_ms: device.signed_at_ms,
        withdrawn: device.withdrawn,
        stored: device.stored,
        missing: device.missing,
        missing_ranges: device
            .missing_ranges
            .iter()
            .map(|range| MissingRangeInfo {
                feed: range.feed.to_string(),
                from: range.from,
                until: range.until,
            })
            .collect(),
    }
}

pub(crate) fn epoch(epoch: &EpochReport) -> EpochInfo {
    EpochInfo {
        number: epoch.number,
        block: epoch.block.to_string(),
        device: epoch.by.to_string(),
        identity: epoch.identity.map(|identity| identity.to_string()),
        snapshot: epoch.snapshot.to_string(),
        state: match epoch.state {
            EpochState::Current => EpochStateInfo::Current,
            EpochState::Superseded => EpochStateInfo::Superseded,
            EpochState::Refused => EpochStateInfo::Refused,
            _ => EpochStateInfo::Loading,
        },
        objects: epoch.objects,
        blocks: epoch.blocks,
        trimmed: epoch.is_trimmed,
        tidying: epoch.is_tidying,
        may_contest: texts(&epoch.may_contest),
    }
}

pub(crate) fn erasure(erasure: &ErasureReport) -> ErasureInfo {
    ErasureInfo {
        device: erasure.by.to_string(),
        state: match erasure.state {
            ErasureState::Acknowledging => ErasureStateInfo::Acknowledging,
            ErasureState::Requested => ErasureStateInfo::Requested,
            ErasureState::Done => ErasureStateInfo::Done,
            _ => ErasureStateInfo::Erasing,
        },
        epoch: erasure.epoch,
        waits_for: texts(&erasure.waits_for),
        missing_blocks: erasure.missing_blocks,
        keys: erasure.keys,
        recovery_keys: texts(&erasure.recovery_keys),
    }
}

pub(crate) fn stats(stats: &SpaceStats) -> SpaceStatsInfo {
    SpaceStatsInfo {
        objects: stats.objects,
        blocks: stats.blocks,
        branches: stats.branches,
        feeds: stats.feeds,
        incarnation: stats.incarnation,
        index_rows: stats.index_rows,
        queue_rows: stats.queue_rows,
        bytes: SpaceBytesInfo {
            blocks: stats.bytes.blocks,
            branches: stats.bytes.branches,
            objects: stats.bytes.objects,
            indexes: stats.bytes.indexes,
            queues: stats.bytes.queues,
            rest: stats.bytes.rest,
        },
    }
}

pub(crate) fn garbage(report: &GcReport) -> GarbageInfo {
    GarbageInfo {
        rows: report.removed.rows,
        bytes: report.removed.bytes,
        disk_bytes_before: report.disk_bytes_before,
        disk_bytes_after: report.disk_bytes_after,
    }
}

pub(crate) fn doctor(report: &DoctorReport) -> DoctorInfo {
    DoctorInfo {
        whole: report.is_whole(),
        spaces: report.spaces.iter().map(checkup).collect(),
        unreadable: findings(&report.derived.findings),
        emptied: report.derived.emptied,
        orphan_rows: report.orphans.rows,
        orphan_bytes: report.orphans.bytes,
        orphans_removed: report.orphans_removed,
    }
}

fn findings(findings: &[Finding]) -> Vec<FindingInfo> {
    let findings = findings.iter().map(|finding| FindingInfo {
        kind: finding.kind.to_string(),
        derived: finding.kind.is_derived(),
        text: finding.text.clone(),
    });
    findings.collect()
}

fn checkup(checkup: &Checkup) -> CheckupInfo {
    CheckupInfo {
        space: checkup.space.to_string(),
        whole: checkup.is_whole(),
        blocks: checkup.blocks,
        objects: checkup.objects,
        index_rows: checkup.index_rows,
        findings: findings(&checkup.findings),
        more: checkup.more,
        repaired: checkup.repaired,
    }
}
