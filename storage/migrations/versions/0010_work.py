"""A case's handling: sub-orders in the place of `ticket_unit`, and all that hangs on a case.

Revision: 0010; after: 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

RANDOM_ID = "('x' || substr(md5(gen_random_uuid()::text), 1, 13))::bit(52)::bigint"
NOW, EMPTY, FALSE, ZERO = (sa.text(each) for each in ("now()", "''::bytea", "false", "0"))


def upgrade() -> None:
    op.create_table(
        "rung",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_rung_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rung")),
        sa.UniqueConstraint(
            "subject_kind", "subject_id", "level", "due_at", name=op.f("uq_rung_subject_kind")
        ),
    )
    op.create_index(op.f("ix_rung_ticket_id"), "rung", ["ticket_id"], unique=False)
    op.create_table(
        "closing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("finding", sa.String(), server_default="", nullable=False),
        sa.Column("solved", sa.String(), server_default="", nullable=False),
        sa.Column("why_unsolved", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("out_of_remit", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("contacted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contacted_how", sa.String(), server_default="", nullable=False),
        sa.Column("account", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("public_reply", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("decision", sa.String(), server_default="", nullable=False),
        sa.Column("remark", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("decided_by <> by_id", name="two_people"),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_closing_by_id_person")),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_closing_decided_by_person")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_closing_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closing")),
    )
    op.create_index(op.f("ix_closing_ticket_id"), "closing", ["ticket_id"], unique=False)
    op.create_index(
        "uq_closing_open", "closing", ["ticket_id"], unique=True, postgresql_where=sa.text("decision = ''")
    )
    op.create_table(
        "ending",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ground", sa.String(), server_default="", nullable=False),
        sa.Column("words", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("to_number", sa.String(), server_default="", nullable=False),
        sa.Column("receipt", sa.String(), server_default="", nullable=False),
        sa.Column("receipt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lead_id", sa.BigInteger(), nullable=True),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_ending_by_id_person")),
        sa.ForeignKeyConstraint(["lead_id"], ["ticket.id"], name=op.f("fk_ending_lead_id_ticket")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ending_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ending")),
    )
    op.create_index(op.f("ix_ending_lead_id"), "ending", ["lead_id"], unique=False)
    op.create_index(op.f("ix_ending_ticket_id"), "ending", ["ticket_id"], unique=False)
    op.create_table(
        "instruction",
        sa.Column(
            "id", sa.BigInteger(), server_default=sa.text(RANDOM_ID), autoincrement=False, nullable=False
        ),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("leader_id", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("reported_by", sa.BigInteger(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("words", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("given_by", sa.BigInteger(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_rule", sa.String(), server_default="", nullable=False),
        sa.Column("due_provisional", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("done_by", sa.BigInteger(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_for", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["done_by"], ["person.id"], name=op.f("fk_instruction_done_by_person")),
        sa.ForeignKeyConstraint(["given_by"], ["person.id"], name=op.f("fk_instruction_given_by_person")),
        sa.ForeignKeyConstraint(["leader_id"], ["person.id"], name=op.f("fk_instruction_leader_id_person")),
        sa.ForeignKeyConstraint(
            ["reported_by"], ["person.id"], name=op.f("fk_instruction_reported_by_person")
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_instruction_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_instruction_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instruction")),
    )
    op.create_index(op.f("ix_instruction_leader_id"), "instruction", ["leader_id"], unique=False)
    op.create_index(op.f("ix_instruction_ticket_id"), "instruction", ["ticket_id"], unique=False)
    op.create_table(
        "sub_order",
        sa.Column(
            "id", sa.BigInteger(), server_default=sa.text(RANDOM_ID), autoincrement=False, nullable=False
        ),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(), server_default="sent", nullable=False),
        sa.Column("part", sa.String(), server_default="lead", nullable=False),
        sa.Column("way", sa.String(), server_default="web", nullable=False),
        sa.Column("designated", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("note", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("sent_by", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_rule", sa.String(), server_default="", nullable=False),
        sa.Column("due_provisional", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_by", sa.BigInteger(), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replied_by", sa.BigInteger(), nullable=True),
        sa.Column("account", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("public_reply", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("finding", sa.String(), server_default="", nullable=False),
        sa.Column("solved", sa.String(), server_default="", nullable=False),
        sa.Column("why_unsolved", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("out_of_remit", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("contacted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contacted_how", sa.String(), server_default="", nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redone", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_for", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["sub_order.id"], name=op.f("fk_sub_order_parent_id_sub_order")
        ),
        sa.ForeignKeyConstraint(["replied_by"], ["person.id"], name=op.f("fk_sub_order_replied_by_person")),
        sa.ForeignKeyConstraint(["sent_by"], ["person.id"], name=op.f("fk_sub_order_sent_by_person")),
        sa.ForeignKeyConstraint(["taken_by"], ["person.id"], name=op.f("fk_sub_order_taken_by_person")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_sub_order_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_sub_order_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sub_order")),
    )
    op.create_index(
        "ix_sub_order_due",
        "sub_order",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('sent', 'taken', 'objected')"),
    )
    op.create_index(op.f("ix_sub_order_parent_id"), "sub_order", ["parent_id"], unique=False)
    op.create_index(op.f("ix_sub_order_ticket_id"), "sub_order", ["ticket_id"], unique=False)
    op.create_index("ix_sub_order_unit", "sub_order", ["unit_id", "state", "due_at"], unique=False)
    op.create_index(
        "uq_sub_order_current",
        "sub_order",
        ["ticket_id", "unit_id"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('returned', 'recalled')"),
    )
    op.create_table(
        "supervision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("ground", sa.String(), nullable=False),
        sa.Column("demand", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_rule", sa.String(), server_default="", nullable=False),
        sa.Column("due_provisional", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("outcome", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_for", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_supervision_by_id_person")),
        sa.ForeignKeyConstraint(["ended_by"], ["person.id"], name=op.f("fk_supervision_ended_by_person")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_supervision_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supervision")),
    )
    op.create_index(op.f("ix_supervision_ticket_id"), "supervision", ["ticket_id"], unique=False)
    op.create_index(
        "uq_supervision_open",
        "supervision",
        ["ticket_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "visit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=True),
        sa.Column("reached", sa.Boolean(), nullable=False),
        sa.Column("true", sa.Boolean(), nullable=True),
        sa.Column("contacted", sa.Boolean(), nullable=True),
        sa.Column("solved", sa.Boolean(), nullable=True),
        sa.Column("satisfied", sa.String(), server_default="", nullable=False),
        sa.Column("words", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_visit_by_id_person")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_visit_call_id_call")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_visit_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit")),
    )
    op.create_index(op.f("ix_visit_ticket_id"), "visit", ["ticket_id"], unique=False)
    op.create_table(
        "ticket_note",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("call_id", sa.String(), nullable=True),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_ticket_note_by_id_person")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_ticket_note_call_id_call")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["sub_order.id"], name=op.f("fk_ticket_note_order_id_sub_order")
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_note_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_note")),
    )
    op.create_index(op.f("ix_ticket_note_order_id"), "ticket_note", ["order_id"], unique=False)
    op.create_index(op.f("ix_ticket_note_ticket_id"), "ticket_note", ["ticket_id"], unique=False)
    op.create_table(
        "unit_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ground", sa.LargeBinary(), nullable=False),
        sa.Column("law", sa.String(), server_default="", nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("choice", sa.String(), server_default="", nullable=False),
        sa.Column("due_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("decision", sa.String(), server_default="", nullable=False),
        sa.Column("remark", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("decided_by <> asked_by", name="two_people"),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_unit_request_asked_by_person")),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_unit_request_decided_by_person")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["sub_order.id"], name=op.f("fk_unit_request_order_id_sub_order")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_request_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_request")),
    )
    op.create_index(op.f("ix_unit_request_order_id"), "unit_request", ["order_id"], unique=False)
    op.create_index(
        "uq_unit_request_open",
        "unit_request",
        ["order_id", "kind"],
        unique=True,
        postgresql_where=sa.text("decision = ''"),
    )
    op.add_column("ticket", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("visit_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "ticket",
        sa.Column("visit_due_provisional", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("ticket", sa.Column("waits_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("satisfied", sa.String(), server_default="", nullable=False))
    op.add_column("ticket", sa.Column("first_satisfied", sa.String(), server_default="", nullable=False))
    op.add_column("ticket", sa.Column("returned", sa.Integer(), server_default=ZERO, nullable=False))
    op.add_column("ticket", sa.Column("extended", sa.Integer(), server_default=ZERO, nullable=False))
    op.add_column("ticket", sa.Column("visited", sa.Integer(), server_default=ZERO, nullable=False))
    op.add_column("ticket", sa.Column("redone", sa.Integer(), server_default=ZERO, nullable=False))
    op.add_column("ticket", sa.Column("urged", sa.Integer(), server_default=ZERO, nullable=False))
    op.add_column("ticket", sa.Column("next_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("next_for", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("next_in", sa.String(), server_default="", nullable=False))
    op.create_index("ix_ticket_state", "ticket", ["state", "due_at"], unique=False)
    for name, table, due, runs, also in (
        ("ticket", "ticket", "due_at", "state = 'accepted'", "next_in <> 'accepted' OR "),
        ("visit", "ticket", "visit_due_at", "state = 'visit'", "next_in <> 'visit' OR "),
        ("order", "sub_order", "due_at", "state IN ('sent', 'taken', 'objected')", ""),
        ("instruction", "instruction", "due_at", "done_at IS NULL", ""),
        ("supervision", "supervision", "due_at", "ended_at IS NULL", ""),
    ):
        which = f"{runs} AND {due} IS NOT NULL"
        stale = f"{which} AND ({also}next_for IS DISTINCT FROM {due})"
        op.create_index(f"ix_{name}_next", table, ["next_at"], postgresql_where=sa.text(which))
        op.create_index(f"ix_{name}_stale", table, ["id"], postgresql_where=sa.text(stale))
    op.execute(
        """
        INSERT INTO sub_order (ticket_id, unit_id, sent_by, sent_at, part, state,
            due_at, due_rule, due_provisional, ended_at)
        SELECT u.ticket_id, u.unit_id, u.by_id, u.at,
            CASE WHEN row_number() OVER (PARTITION BY u.ticket_id ORDER BY u.at, u.unit_id) = 1
                THEN 'lead' ELSE 'assist' END,
            CASE WHEN t.state = 'accepted' THEN 'taken' ELSE 'done' END,
            t.due_at, t.due_rule, t.due_provisional,
            CASE WHEN t.state = 'accepted' THEN NULL ELSE t.changed_at END
        FROM ticket_unit u JOIN ticket t ON t.id = u.ticket_id
        """
    )
    op.execute("UPDATE ticket SET closed_at = changed_at WHERE state <> 'accepted'")
    op.execute(
        "UPDATE ticket SET sent_at = (SELECT min(at) FROM ticket_unit u WHERE u.ticket_id = ticket.id)"
    )
    op.execute("UPDATE ticket SET state = 'handling' WHERE state = 'accepted' AND sent_at IS NOT NULL")
    op.drop_table("ticket_unit")
