"""The tables of version 0.1.0: the baseline. From here on every change of a table is a revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("sigs", sa.JSON(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_subject"), ["subject"], unique=False)

    op.create_table(
        "apitoken",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sigs", sa.JSON(), nullable=False),
        sa.Column("actions", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires", UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked", UtcDateTime(timezone=True), nullable=True),
        sa.Column("used", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apitoken")),
    )
    with op.batch_alter_table("apitoken", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_apitoken_account"), ["account"], unique=False)

    op.create_table(
        "artifact",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("signed", sa.Text(), nullable=False),
        sa.Column("provides", sa.JSON(), nullable=False),
        sa.Column("requires", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact")),
        sa.UniqueConstraint("build", "filename", name=op.f("uq_artifact_build_filename")),
    )
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.create_index(
            "ix_artifact_filename",
            ["filename"],
            unique=False,
            postgresql_ops={"filename": "text_pattern_ops"},
        )
        batch_op.create_index(batch_op.f("ix_artifact_header"), ["header"], unique=False)
        batch_op.create_index(batch_op.f("ix_artifact_name"), ["name"], unique=False)
        batch_op.create_index(
            "ix_artifact_unsigned",
            ["build"],
            unique=False,
            sqlite_where=sa.text("signed = ''"),
            postgresql_where=sa.text("signed = ''"),
        )

    op.create_table(
        "bootstrap_variant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("srpm", sa.Text(), nullable=False),
        sa.Column("requires", sa.JSON(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bootstrap_variant")),
    )
    with op.batch_alter_table("bootstrap_variant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bootstrap_variant_target"), ["target"], unique=False)

    op.create_table(
        "build",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("drop_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("dist", sa.Text(), nullable=False),
        sa.Column("srpm", sa.Text(), nullable=False),
        sa.Column("srpm_filename", sa.Text(), nullable=False),
        sa.Column("signed_by", sa.Text(), nullable=False),
        sa.Column("debranded_srpm", sa.Text(), nullable=False),
        sa.Column("debranded_tree", sa.Text(), nullable=False),
        sa.Column("debranded_release", sa.Text(), nullable=False),
        sa.Column("debranded_name", sa.Text(), nullable=False),
        sa.Column("rule_digest", sa.Text(), nullable=False),
        sa.Column("rule_date", sa.Text(), nullable=False),
        sa.Column("audit", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", UtcDateTime(timezone=True), nullable=False),
        sa.Column("wait_kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failure_kind", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("gate_reason", sa.Text(), nullable=False),
        sa.Column("scratch", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("arches", sa.JSON(), nullable=False),
        sa.Column("requires", sa.JSON(), nullable=False),
        sa.Column("provides", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("override", sa.JSON(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.JSON(), nullable=False),
        sa.Column("seeded", sa.JSON(), nullable=False),
        sa.Column("successor", sa.Text(), nullable=False),
        sa.Column("lock_ours", sa.BigInteger(), nullable=False),
        sa.Column("lock_rpms", sa.BigInteger(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("brand_hits", sa.BigInteger(), nullable=False),
        sa.Column("source_brand_hits", sa.BigInteger(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("bootstrap", sa.Text(), nullable=False),
        sa.Column("found_requires", sa.JSON(), nullable=False),
        sa.Column("replans", sa.BigInteger(), nullable=False),
        sa.Column("shipped", UtcDateTime(timezone=True), nullable=True),
        sa.Column("stage_since", UtcDateTime(timezone=True), nullable=True),
        sa.Column("spent", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("finished", UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'failed') = (failure_kind <> '')", name=op.f("ck_build_failed_has_a_kind")
        ),
        sa.CheckConstraint(
            "state <> 'published' OR verdict <> ''", name=op.f("ck_build_published_is_compared")
        ),
        sa.CheckConstraint(
            "state NOT IN ('waiting', 'on_hold', 'failed', 'excluded') OR reason <> ''",
            name=op.f("ck_build_says_why"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build")),
        sa.UniqueConstraint(
            "target",
            "source",
            "epoch",
            "version",
            "release",
            "srpm",
            "round",
            name=op.f("uq_build_target_source_epoch_version_release_srpm_round"),
        ),
    )
    with op.batch_alter_table("build", schema=None) as batch_op:
        batch_op.create_index("ix_build_created", ["created", "id"], unique=False)
        batch_op.create_index(
            "ix_build_current",
            [
                "superseded",
                "target",
                "state",
                "verdict",
                "scratch",
                "wait_kind",
                "gate",
                "successor",
            ],
            unique=False,
        )
        batch_op.create_index(
            "ix_build_current_since", ["superseded", "state", "state_since"], unique=False
        )
        batch_op.create_index(
            "ix_build_debranded_name", ["debranded_name", "version"], unique=False
        )
        batch_op.create_index(
            "ix_build_drop",
            ["drop_id", "state", "wait_kind", "gate", "verdict", "successor"],
            unique=False,
        )
        batch_op.create_index("ix_build_list_drop", ["drop_id", "created", "id"], unique=False)
        batch_op.create_index("ix_build_list_source", ["source", "created", "id"], unique=False)
        batch_op.create_index("ix_build_list_state", ["state", "created", "id"], unique=False)
        batch_op.create_index(
            "ix_build_list_state_verdict", ["state", "verdict", "created", "id"], unique=False
        )
        batch_op.create_index("ix_build_list_target", ["target", "created", "id"], unique=False)
        batch_op.create_index(
            "ix_build_list_target_state", ["target", "state", "created", "id"], unique=False
        )
        batch_op.create_index(
            "ix_build_list_target_verdict", ["target", "verdict", "created", "id"], unique=False
        )
        batch_op.create_index("ix_build_list_verdict", ["verdict", "created", "id"], unique=False)
        batch_op.create_index(
            "ix_build_srpm_filename",
            ["srpm_filename"],
            unique=False,
            postgresql_ops={"srpm_filename": "text_pattern_ops"},
        )
        batch_op.create_index(
            batch_op.f("ix_build_state_finished"), ["state", "finished"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_build_target_source_created"),
            ["target", "source", "created"],
            unique=False,
        )

    op.create_table(
        "comparison",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("brand_hits", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison")),
    )
    with op.batch_alter_table("comparison", schema=None) as batch_op:
        batch_op.create_index("ix_comparison_build", ["build", "created", "id"], unique=False)

    op.create_table(
        "compose",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("build_generation", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("written", UtcDateTime(timezone=True), nullable=True),
        sa.Column("released", UtcDateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.Text(), nullable=False),
        sa.Column("released_why", sa.Text(), nullable=False),
        sa.Column("retired", UtcDateTime(timezone=True), nullable=True),
        sa.Column("retired_by", sa.Text(), nullable=False),
        sa.Column("retired_why", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state <> 'released' OR released_why <> ''", name=op.f("ck_compose_released_says_why")
        ),
        sa.CheckConstraint(
            "state <> 'retired' OR retired_why <> ''", name=op.f("ck_compose_retired_says_why")
        ),
        sa.CheckConstraint(
            "state <> 'testing' OR released IS NULL",
            name=op.f("ck_compose_testing_is_not_released"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compose")),
    )
    with op.batch_alter_table("compose", schema=None) as batch_op:
        batch_op.create_index(
            "ix_compose_begins", ["id"], unique=False, postgresql_ops={"id": "text_pattern_ops"}
        )
        batch_op.create_index("ix_compose_created", ["created", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_compose_generation"), ["generation"], unique=False)
        batch_op.create_index(batch_op.f("ix_compose_state"), ["state"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_compose_target_created_id"), ["target", "created", "id"], unique=False
        )

    op.create_table(
        "delivery",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("notice", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("due", UtcDateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("settled", UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (settled IS NULL)",
            name=op.f("ck_delivery_settled_unless_pending"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_delivery_address_state_settled"),
            ["address", "state", "settled"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_delivery_state_due"), ["state", "due"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_delivery_subscription_state_due"),
            ["subscription", "state", "due"],
            unique=False,
        )

    op.create_table(
        "drop",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("scratch", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("approval", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drop")),
    )
    with op.batch_alter_table("drop", schema=None) as batch_op:
        batch_op.create_index(
            "ix_drop_begins", ["id"], unique=False, postgresql_ops={"id": "text_pattern_ops"}
        )
        batch_op.create_index("ix_drop_created", ["created", "id"], unique=False)
        batch_op.create_index("ix_drop_target", ["target", "created", "id"], unique=False)

    op.create_table(
        "dropitem",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("drop_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dropitem")),
        sa.UniqueConstraint(
            "drop_id", "sha256", "kind", name=op.f("uq_dropitem_drop_id_sha256_kind")
        ),
    )
    with op.batch_alter_table("dropitem", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dropitem_build"), ["build"], unique=False)
        batch_op.create_index(
            "ix_dropitem_drop", ["drop_id", "kind", "problem", "sha256"], unique=False
        )

    op.create_table(
        "event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("person", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_at"), ["at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_event_person_actor_id"), ["person", "actor", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_event_person_id"), ["person", "id"], unique=False)
        batch_op.create_index("ix_event_subject", ["subject", "id"], unique=False)

    op.create_table(
        "eventconsumer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("moved", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eventconsumer")),
    )
    op.create_table(
        "finding",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rpm", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    with op.batch_alter_table("finding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_finding_build"), ["build"], unique=False)
        batch_op.create_index(
            "ix_finding_name",
            ["superseded", "name"],
            unique=False,
            postgresql_ops={"name": "text_pattern_ops"},
        )
        batch_op.create_index(
            "ix_finding_path",
            ["superseded", "path"],
            unique=False,
            postgresql_ops={"path": "text_pattern_ops"},
        )

    op.create_table(
        "forecast",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("forecast", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecast")),
    )
    op.create_table(
        "generation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("builds", sa.JSON(), nullable=False),
        sa.Column("sources", sa.BigInteger(), nullable=False),
        sa.Column("rpms", sa.BigInteger(), nullable=False),
        sa.Column("lock_ours", sa.BigInteger(), nullable=False),
        sa.Column("lock_rpms", sa.BigInteger(), nullable=False),
        sa.Column("carried", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ready", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generation")),
        sa.UniqueConstraint("tag", "number", name=op.f("uq_generation_tag_number")),
    )
    with op.batch_alter_table("generation", schema=None) as batch_op:
        batch_op.create_index("ix_generation_created", ["created", "number"], unique=False)
        batch_op.create_index("ix_generation_state", ["state"], unique=False)
        batch_op.create_index("ix_generation_target", ["target", "created", "number"], unique=False)

    op.create_table(
        "hook_call",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("drop_id", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("received", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook_call")),
    )
    with op.batch_alter_table("hook_call", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_hook_call_trigger_received"), ["trigger", "received"], unique=False
        )

    op.create_table(
        "host",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("arches", sa.JSON(), nullable=False),
        sa.Column("queues", sa.JSON(), nullable=False),
        sa.Column("seen", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host")),
    )
    op.create_table(
        "keptanswer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keptanswer")),
    )
    with op.batch_alter_table("keptanswer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_keptanswer_created"), ["created"], unique=False)

    op.create_table(
        "leader",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("until", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leader")),
    )
    op.create_table(
        "learned_requires",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("requires", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learned_requires")),
    )
    with op.batch_alter_table("learned_requires", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_learned_requires_target"), ["target"], unique=False)

    op.create_table(
        "logintries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("since", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logintries")),
    )
    op.create_table(
        "metric",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("buckets", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric")),
    )
    op.create_table(
        "notice",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sig", sa.Text(), nullable=False),
        sa.Column("drop_id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notice_sig_id"), ["sig", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_notice_source_id"), ["source", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_notice_target_id"), ["target", "id"], unique=False)

    op.create_table(
        "pause",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_pause_says_why")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pause")),
    )
    op.create_table(
        "reference_lock",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("rpms", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference_lock")),
    )
    with op.batch_alter_table("reference_lock", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reference_lock_subject"), ["subject"], unique=False)

    op.create_table(
        "search_entry",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_entry")),
    )
    with op.batch_alter_table("search_entry", schema=None) as batch_op:
        batch_op.create_index(
            "ix_search_entry_token",
            ["kind", "token"],
            unique=False,
            postgresql_ops={"token": "text_pattern_ops"},
        )

    op.create_table(
        "seenfile",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("drop_id", sa.Text(), nullable=False),
        sa.Column("seen", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seenfile")),
    )
    with op.batch_alter_table("seenfile", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seenfile_trigger"), ["trigger"], unique=False)

    op.create_table(
        "session",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen", UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_account"), ["account"], unique=False)

    op.create_table(
        "source_survey",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.JSON(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_survey")),
    )
    op.create_table(
        "sourceoverride",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sourceoverride")),
    )
    with op.batch_alter_table("sourceoverride", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sourceoverride_target_source"), ["target", "source"], unique=False
        )

    op.create_table(
        "subscription",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sig", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended", UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
    )
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subscription_owner"), ["owner"], unique=False)

    op.create_table(
        "taghead",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taghead")),
    )
    op.create_table(
        "task",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("requirements", sa.JSON(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease_token", sa.Text(), nullable=False),
        sa.Column("lease_until", UtcDateTime(timezone=True), nullable=True),
        sa.Column("sent", UtcDateTime(timezone=True), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("tried", sa.JSON(), nullable=False),
        sa.Column("failure_kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("lock", sa.Text(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("order", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("started", UtcDateTime(timezone=True), nullable=True),
        sa.Column("finished", UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state <> 'OPEN' OR (worker <> '' AND lease_token <> '')",
            name=op.f("ck_task_open_has_a_holder"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.create_index("ix_task_created", ["created", "id"], unique=False)
        batch_op.create_index("ix_task_finished", ["state", "finished"], unique=False)
        batch_op.create_index("ix_task_kind", ["kind", "target", "state", "created"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_task_kind_state_finished"), ["kind", "state", "finished"], unique=False
        )
        batch_op.create_index("ix_task_state", ["state", "created", "id"], unique=False)
        batch_op.create_index(
            "ix_task_subject", ["subject", "kind", "state", "created"], unique=False
        )
        batch_op.create_index("ix_task_worker", ["worker", "state"], unique=False)
        batch_op.create_index(
            "uq_task_active",
            ["kind", "subject", "arch"],
            unique=True,
            sqlite_where=sa.text("state IN ('FREE', 'ASSIGNED', 'OPEN')"),
            postgresql_where=sa.text("state IN ('FREE', 'ASSIGNED', 'OPEN')"),
        )

    op.create_table(
        "triggerstate",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("looked", UtcDateTime(timezone=True), nullable=True),
        sa.Column("next_look", UtcDateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("problem_since", UtcDateTime(timezone=True), nullable=True),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("drop_id", sa.Text(), nullable=False),
        sa.Column("dropped", UtcDateTime(timezone=True), nullable=True),
        sa.Column("position", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triggerstate")),
    )
    op.create_table(
        "vendorrpm",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sourcerpm", sa.Text(), nullable=False),
        sa.Column("evr", sa.Text(), nullable=False),
        sa.Column("provides", sa.JSON(), nullable=False),
        sa.Column("requires", sa.JSON(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("waived", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vendorrpm")),
        sa.UniqueConstraint("target", "sha256", name=op.f("uq_vendorrpm_target_sha256")),
    )
    with op.batch_alter_table("vendorrpm", schema=None) as batch_op:
        batch_op.create_index(
            "ix_vendorrpm_said", ["target", "sha256", "problem", "verdict", "waived"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_vendorrpm_target_name"), ["target", "name"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_vendorrpm_target_source"), ["target", "source"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_vendorrpm_target_sourcerpm"), ["target", "sourcerpm"], unique=False
        )

    op.create_table(
        "waiver",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expires", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rpm", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended", UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.Column("ended_why", sa.Text(), nullable=False),
        sa.CheckConstraint("authority IN ('anyone', 'security')", name=op.f("ck_waiver_authority")),
        sa.CheckConstraint(
            "owner <> '' AND reason <> '' AND expires <> ''",
            name=op.f("ck_waiver_says_who_why_how_long"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiver")),
    )
    op.create_table(
        "waiver_ask",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("rpm", sa.Text(), nullable=False),
        sa.Column("security", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asker", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("answered", UtcDateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("answered_why", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("waiver", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(answered IS NULL) = (answer = '')", name=op.f("ck_waiver_ask_answered_with_an_answer")
        ),
        sa.CheckConstraint(
            "asker <> '' AND reason <> ''", name=op.f("ck_waiver_ask_says_who_and_why")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiver_ask")),
    )
    with op.batch_alter_table("waiver_ask", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_waiver_ask_answered_created"), ["answered", "created"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_waiver_ask_build"), ["build"], unique=False)

    op.create_table(
        "waiveruse",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("waiver", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("findings", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiveruse")),
    )
    with op.batch_alter_table("waiveruse", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_waiveruse_build"), ["build"], unique=False)
        batch_op.create_index(batch_op.f("ix_waiveruse_waiver"), ["waiver"], unique=False)

    op.create_table(
        "worker",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("arches", sa.JSON(), nullable=False),
        sa.Column("queues", sa.JSON(), nullable=False),
        sa.Column("builder", sa.Text(), nullable=False),
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seen", UtcDateTime(timezone=True), nullable=True),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("machine", sa.JSON(), nullable=False),
        sa.Column("reserved", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state <> 'retired' OR (host <> '' AND token_hash = '')",
            name=op.f("ck_worker_retired_has_no_token"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.create_index(
            "ix_worker_begins", ["id"], unique=False, postgresql_ops={"id": "text_pattern_ops"}
        )
        batch_op.create_index(batch_op.f("ix_worker_host"), ["host"], unique=False)
        batch_op.create_index(batch_op.f("ix_worker_state"), ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_worker_token_hash"), ["token_hash"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_worker_token_hash"))
        batch_op.drop_index(batch_op.f("ix_worker_state"))
        batch_op.drop_index(batch_op.f("ix_worker_host"))
        batch_op.drop_index("ix_worker_begins", postgresql_ops={"id": "text_pattern_ops"})

    op.drop_table("worker")
    with op.batch_alter_table("waiveruse", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_waiveruse_waiver"))
        batch_op.drop_index(batch_op.f("ix_waiveruse_build"))

    op.drop_table("waiveruse")
    with op.batch_alter_table("waiver_ask", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_waiver_ask_build"))
        batch_op.drop_index(batch_op.f("ix_waiver_ask_answered_created"))

    op.drop_table("waiver_ask")
    op.drop_table("waiver")
    with op.batch_alter_table("vendorrpm", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_vendorrpm_target_sourcerpm"))
        batch_op.drop_index(batch_op.f("ix_vendorrpm_target_source"))
        batch_op.drop_index(batch_op.f("ix_vendorrpm_target_name"))
        batch_op.drop_index("ix_vendorrpm_said")

    op.drop_table("vendorrpm")
    op.drop_table("triggerstate")
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_task_active",
            sqlite_where=sa.text("state IN ('FREE', 'ASSIGNED', 'OPEN')"),
            postgresql_where=sa.text("state IN ('FREE', 'ASSIGNED', 'OPEN')"),
        )
        batch_op.drop_index("ix_task_worker")
        batch_op.drop_index("ix_task_subject")
        batch_op.drop_index("ix_task_state")
        batch_op.drop_index(batch_op.f("ix_task_kind_state_finished"))
        batch_op.drop_index("ix_task_kind")
        batch_op.drop_index("ix_task_finished")
        batch_op.drop_index("ix_task_created")

    op.drop_table("task")
    op.drop_table("taghead")
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subscription_owner"))

    op.drop_table("subscription")
    with op.batch_alter_table("sourceoverride", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sourceoverride_target_source"))

    op.drop_table("sourceoverride")
    op.drop_table("source_survey")
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session_account"))

    op.drop_table("session")
    with op.batch_alter_table("seenfile", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_seenfile_trigger"))

    op.drop_table("seenfile")
    with op.batch_alter_table("search_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_search_entry_token", postgresql_ops={"token": "text_pattern_ops"})

    op.drop_table("search_entry")
    with op.batch_alter_table("reference_lock", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reference_lock_subject"))

    op.drop_table("reference_lock")
    op.drop_table("pause")
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_notice_target_id"))
        batch_op.drop_index(batch_op.f("ix_notice_source_id"))
        batch_op.drop_index(batch_op.f("ix_notice_sig_id"))

    op.drop_table("notice")
    op.drop_table("metric")
    op.drop_table("logintries")
    with op.batch_alter_table("learned_requires", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_learned_requires_target"))

    op.drop_table("learned_requires")
    op.drop_table("leader")
    with op.batch_alter_table("keptanswer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_keptanswer_created"))

    op.drop_table("keptanswer")
    op.drop_table("host")
    with op.batch_alter_table("hook_call", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hook_call_trigger_received"))

    op.drop_table("hook_call")
    with op.batch_alter_table("generation", schema=None) as batch_op:
        batch_op.drop_index("ix_generation_target")
        batch_op.drop_index("ix_generation_state")
        batch_op.drop_index("ix_generation_created")

    op.drop_table("generation")
    op.drop_table("forecast")
    with op.batch_alter_table("finding", schema=None) as batch_op:
        batch_op.drop_index("ix_finding_path", postgresql_ops={"path": "text_pattern_ops"})
        batch_op.drop_index("ix_finding_name", postgresql_ops={"name": "text_pattern_ops"})
        batch_op.drop_index(batch_op.f("ix_finding_build"))

    op.drop_table("finding")
    op.drop_table("eventconsumer")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index("ix_event_subject")
        batch_op.drop_index(batch_op.f("ix_event_person_id"))
        batch_op.drop_index(batch_op.f("ix_event_person_actor_id"))
        batch_op.drop_index(batch_op.f("ix_event_at"))

    op.drop_table("event")
    with op.batch_alter_table("dropitem", schema=None) as batch_op:
        batch_op.drop_index("ix_dropitem_drop")
        batch_op.drop_index(batch_op.f("ix_dropitem_build"))

    op.drop_table("dropitem")
    with op.batch_alter_table("drop", schema=None) as batch_op:
        batch_op.drop_index("ix_drop_target")
        batch_op.drop_index("ix_drop_created")
        batch_op.drop_index("ix_drop_begins", postgresql_ops={"id": "text_pattern_ops"})

    op.drop_table("drop")
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_delivery_subscription_state_due"))
        batch_op.drop_index(batch_op.f("ix_delivery_state_due"))
        batch_op.drop_index(batch_op.f("ix_delivery_address_state_settled"))

    op.drop_table("delivery")
    with op.batch_alter_table("compose", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_compose_target_created_id"))
        batch_op.drop_index(batch_op.f("ix_compose_state"))
        batch_op.drop_index(batch_op.f("ix_compose_generation"))
        batch_op.drop_index("ix_compose_created")
        batch_op.drop_index("ix_compose_begins", postgresql_ops={"id": "text_pattern_ops"})

    op.drop_table("compose")
    with op.batch_alter_table("comparison", schema=None) as batch_op:
        batch_op.drop_index("ix_comparison_build")

    op.drop_table("comparison")
    with op.batch_alter_table("build", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_build_target_source_created"))
        batch_op.drop_index(batch_op.f("ix_build_state_finished"))
        batch_op.drop_index(
            "ix_build_srpm_filename", postgresql_ops={"srpm_filename": "text_pattern_ops"}
        )
        batch_op.drop_index("ix_build_list_verdict")
        batch_op.drop_index("ix_build_list_target_verdict")
        batch_op.drop_index("ix_build_list_target_state")
        batch_op.drop_index("ix_build_list_target")
        batch_op.drop_index("ix_build_list_state_verdict")
        batch_op.drop_index("ix_build_list_state")
        batch_op.drop_index("ix_build_list_source")
        batch_op.drop_index("ix_build_list_drop")
        batch_op.drop_index("ix_build_drop")
        batch_op.drop_index("ix_build_debranded_name")
        batch_op.drop_index("ix_build_current_since")
        batch_op.drop_index("ix_build_current")
        batch_op.drop_index("ix_build_created")

    op.drop_table("build")
    with op.batch_alter_table("bootstrap_variant", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bootstrap_variant_target"))

    op.drop_table("bootstrap_variant")
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_artifact_unsigned",
            sqlite_where=sa.text("signed = ''"),
            postgresql_where=sa.text("signed = ''"),
        )
        batch_op.drop_index(batch_op.f("ix_artifact_name"))
        batch_op.drop_index(batch_op.f("ix_artifact_header"))
        batch_op.drop_index("ix_artifact_filename", postgresql_ops={"filename": "text_pattern_ops"})

    op.drop_table("artifact")
    with op.batch_alter_table("apitoken", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_apitoken_account"))

    op.drop_table("apitoken")
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_account_subject"))

    op.drop_table("account")
