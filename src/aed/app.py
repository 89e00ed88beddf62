"""The HTTP application: mount the routers and the middleware, open the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import anyio.to_thread
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from aed import __version__, health, schedule
from aed.accounts.identity_provider import api as identity_provider_api
from aed.accounts.people import api as people_api
from aed.accounts.platform_sign_in import api as platform_sign_in_api
from aed.accounts.regions import api as regions_api
from aed.accounts.roles import api as roles_api
from aed.accounts.second_factors import api as second_factors_api
from aed.accounts.sign_in import api as sign_in_api
from aed.calendars import api as calendars_api
from aed.cells.neighbours import NeighbourClient
from aed.cells.table import cell_table
from aed.certificates.awards import api as awards_api
from aed.certificates.declarations import api as declarations_api
from aed.certificates.duplicates import api as duplicates_api
from aed.certificates.issuer_rosters import api as issuer_rosters_api
from aed.certificates.verification import api as verification_api
from aed.database.failover import FailoverWatch
from aed.database.recent_moments import recent_moments
from aed.database.session import open_database
from aed.database.standby_requests import ReadFromStandbys
from aed.database.standbys import standby_reads
from aed.debrief.outcomes import api as outcomes_api
from aed.debrief.reports import api as reports_api
from aed.debrief.statistics import api as statistics_api
from aed.error_responses import add_error_handlers, error_response
from aed.errors import requires_extra
from aed.exports import api as exports_api
from aed.http import docs
from aed.http.bodies import BodyLimit, BodyLimits, FileLimit
from aed.http.deadlines import AnswerDeadline
from aed.http.headers import AppOrigins, DefaultHeaders, PublicReads
from aed.http.openapi_document import complete_document
from aed.http.problems import Problem
from aed.http.query import refuse_unknown_parameters
from aed.http.request_timing import RequestMetrics, RequestTiming
from aed.http.route_paths import match_routers_by_path
from aed.http.shedding import ShedLoad
from aed.imports import api as imports_api
from aed.imports.devices import api as import_devices_api
from aed.imports.drafts.actions import MAX_BYTES as MAX_LIST_BYTES
from aed.imports.lint import api as lint_api
from aed.imports.saved_mappings import api as saved_mappings_api
from aed.incidents.alerts import api as alerts_api
from aed.incidents.calls import api as calls_api
from aed.incidents.cap import api as cap_api
from aed.incidents.centres import api as centres_api
from aed.incidents.drills import api as drills_api
from aed.incidents.live import api as live_api
from aed.incidents.live.api import LiveBoard, LiveRecords
from aed.issuers import api as issuers_api
from aed.linked_accounts import api as linked_accounts_api
from aed.linked_accounts.queries import waiting_erasure_gauges
from aed.lookup import api as lookup_api
from aed.notifications import api as notifications_api
from aed.notifications import outbox
from aed.personal_data import api as personal_data_api
from aed.planning.coverage import api as coverage_api
from aed.planning.placement import api as placement_api
from aed.platforms.dingtalk import dingtalk_app
from aed.platforms.wechat import wechat_app
from aed.platforms.wecom import wecom_app
from aed.registry.devices import api as devices_api
from aed.registry.estates import api as estates_api
from aed.registry.holidays import api as holidays_api
from aed.registry.holidays.queries import days_until_calendars_end
from aed.responders import api as responders_api
from aed.responders.api.intake import Intake
from aed.responders.live import close_live_places, live_places
from aed.settings import Settings, load_settings
from aed.settings.services import Mqtt
from aed.sharing.agreements import api as agreements_api
from aed.sharing.costs import api as costs_api
from aed.sharing.decisions import api as decisions_api
from aed.sharing.regional_rules import api as sharing_rules_api
from aed.sharing.trials import api as trials_api
from aed.timebank.apps import api as client_apps_api
from aed.timebank.families import api as families_api
from aed.timebank.giving import api as giving_api
from aed.timebank.goods import api as goods_api
from aed.timebank.ledger import api as ledger_api
from aed.timebank.mandates import api as mandates_api
from aed.timebank.regional_rules import api as time_bank_rules_api
from aed.timebank.services import api as services_api
from aed.timebank.webhooks import api as webhooks_api
from aed.training.assessments import api as assessments_api
from aed.training.attendance import api as attendance_api
from aed.training.courses import api as courses_api
from aed.training.enrolments import api as enrolments_api
from aed.training.gaps import api as gaps_api
from aed.training.issuer_batches import api as issuer_batches_api
from aed.training.rosters import api as rosters_api
from aed.training.sessions import api as sessions_api
from aed.training.trainers import api as trainers_api
from aed.translation import call_leads
from aed.upkeep.checks import api as checks_api
from aed.upkeep.checks.keepers import keeper_to_register
from aed.upkeep.confirmations import api as confirmations_api
from aed.upkeep.due import api as due_api
from aed.upkeep.faults import api as faults_api
from aed.upkeep.labels import api as labels_api
from aed.upkeep.recalls import api as recalls_api
from aed.upkeep.reminders import api as reminders_api
from aed.upkeep.retrievals import api as retrievals_api
from aed.upkeep.rounds import api as rounds_api
from aed.upkeep.sightings import api as sightings_api
from aed.upkeep.signals import api as signals_api
from aed.upkeep.signals.queries import bridge_gauges
from aed.upkeep.spares import api as spares_api
from aed.volunteering.appeals import api as service_appeals_api
from aed.volunteering.certificates import api as service_certificates_api
from aed.volunteering.platforms import api as service_batches_api
from aed.volunteering.records import api as service_records_api
from aed.volunteering.report import api as service_report_api
from aed.volunteering.volunteers import api as volunteers_api
from aed.walking.file import network_at
from aed.web import api as web_api
from aed.web.administration import api as administration_api
from aed.web.agreements import api as agreement_pages_api
from aed.web.attendance import api as attendance_pages_api
from aed.web.call_pages import api as call_pages_api
from aed.web.checks import api as check_pages_api
from aed.web.coverage import api as coverage_pages_api
from aed.web.demo_roles import api as demo_roles_api
from aed.web.device_lists import api as device_lists_api
from aed.web.device_pages import api as device_pages_api
from aed.web.dispatch_board import api as dispatch_board_api
from aed.web.embed import api as embed_api
from aed.web.estate_desk import api as estate_desk_api
from aed.web.find_help import api as find_help_api
from aed.web.first_run import api as first_run_api
from aed.web.issuer_batches import api as issuer_batch_pages_api
from aed.web.learn import api as learn_api
from aed.web.map import api as map_api
from aed.web.my_page import api as my_page_api
from aed.web.region_dashboard import api as region_dashboard_api
from aed.web.reminders import api as reminder_pages_api
from aed.web.reports import api as web_reports_api
from aed.web.rounds import api as round_pages_api
from aed.web.sign_up import api as sign_up_api
from aed.web.time_bank import api as time_bank_pages_api
from aed.web.time_bank_desk import api as time_bank_desk_api
from aed.web.training_desk import api as training_desk_api
from aed.worker import api as worker_api
from aed.worker.rules import GaugeValue

SLOW_PATHS = (
    "/v1/export/",
    "/v1/imports/",
    "/v1/lint",
    "/v1/photos",
    "/v1/placement",
    "/lists",
    "/report",
    "/me/certificate",
)
"""Paths whose answers may take longer than AED_ANSWER_SECONDS: they read a file, or everything."""
STANDBY_PATHS = (
    "/",
    "/v1/nearest",
    "/v1/cells/nearest",
    "/v1/export/",
    "/embed",
    "/map",
    "/ogc",
    "/packs/",
    "/tiles/",
)
"""Paths that read from standbys if there are any: lookups, maps and exports, which may be seconds old.

All others read from the primary: a page that leads to a change must show what is there now.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Create the application for the database and the walking network of the settings."""
    settings = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = settings.threads
        failover.start()
        if standbys is not None:
            standbys.start()
        yield
        failover.close()
        if standbys is not None:
            standbys.close()
        await app.state.live.close()
        await app.state.board.close()
        if app.state.neighbours is not None:
            await app.state.neighbours.close()
        app.state.database.close()
        if app.state.tracer_provider is not None:
            app.state.tracer_provider.shutdown()
        close_live_places()

    app = FastAPI(
        title="AED and first-aid network",
        version=__version__,
        description="Which device can be at this patient soonest, and who can come? The service "
        "complements the emergency number and never replaces it.",
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown_parameters)],
        generate_unique_id_function=operation_id,
        openapi_url=None,  # aed.http.docs serves the document and the page
        responses={
            "4XX": {"model": Problem, "description": "What is wrong, and what would be right"},
            503: {"model": Problem, "description": "The database does not respond; see Retry-After"},
        },
    )
    app.state.settings = settings
    call_leads(settings.lead_word)
    failover = FailoverWatch(settings)
    app.state.database = open_database(settings, prepare=failover.guard)
    standbys = standby_reads(settings, app.state.database, failover)
    app.state.intake = Intake(app.state.database, resolution=settings.responder_cell_resolution)
    app.state.live = LiveRecords(app.state.database)
    app.state.board = LiveBoard(app.state.database)
    app.state.lookup_limiter = anyio.CapacityLimiter(lookup_api.MAX_AT_ONCE)
    app.state.responder_lookups = lookup_api.ResponderLookups(
        settings.responder_lookups_per_hour,
        recent_moments(settings, "responder-lookups", kept_seconds=lookup_api.COUNTED_SECONDS),
    )
    app.state.request_metrics = RequestMetrics()
    app.state.queues = {}  # see aed.http.concurrency_limits
    app.state.send = outbox.enqueue
    app.state.find_person = partial(keeper_to_register, country=settings.phone_country)
    table = cell_table(settings)
    app.state.neighbours = (
        NeighbourClient(table, settings.cells.neighbour_seconds) if table is not None else None
    )
    app.state.wechat = wechat_app(settings)
    app.state.wecom = wecom_app(settings)
    app.state.dingtalk = dingtalk_app(settings)
    app.state.timetable = schedule.TIMETABLE
    app.state.calendar_days = days_until_calendars_end
    app.state.more_gauges = _more_gauges
    app.state.network = network_at(settings.walking_network)
    live_places(settings)  # load a cluster's client now, and not during a request
    app.include_router(health.router)
    for part in (  # what must be quick first, since routes are tried in order
        lookup_api,
        drills_api,
        live_api,
        calls_api,
        alerts_api,
        centres_api,
        cap_api,
        responders_api,
        devices_api,
        estates_api,
        holidays_api,
        agreements_api,
        decisions_api,
        costs_api,
        sharing_rules_api,
        trials_api,
        duplicates_api,  # before accounts: /people/duplicates is not /people/{person_id}
        sign_in_api,
        second_factors_api,
        identity_provider_api,
        platform_sign_in_api,
        regions_api,
        people_api,
        roles_api,
        issuers_api,
        personal_data_api,
        linked_accounts_api,
        courses_api,
        sessions_api,
        enrolments_api,
        attendance_api,
        rosters_api,
        assessments_api,
        trainers_api,
        issuer_batches_api,
        awards_api,
        calendars_api,
        service_records_api,
        service_batches_api,
        service_report_api,
        service_certificates_api,
        service_appeals_api,
        volunteers_api,
        gaps_api,
        coverage_api,
        placement_api,
        ledger_api,
        families_api,
        giving_api,
        goods_api,
        mandates_api,
        services_api,
        time_bank_rules_api,
        webhooks_api,
        client_apps_api,
        issuer_rosters_api,
        verification_api,
        declarations_api,
        checks_api,
        faults_api,
        due_api,
        recalls_api,
        rounds_api,
        retrievals_api,
        confirmations_api,
        labels_api,
        sightings_api,
        signals_api,
        spares_api,
        reminders_api,
        outcomes_api,
        reports_api,
        statistics_api,
        lint_api,
        import_devices_api,
        imports_api,
        saved_mappings_api,
        notifications_api,
        worker_api,
    ):
        app.include_router(part.router, prefix="/v1")
    app.include_router(lookup_api.cells_router, prefix="/v1")
    app.include_router(worker_api.monitoring)
    app.include_router(exports_api.router)
    app.include_router(checks_api.old_pages_router)
    app.include_router(administration_api.router)
    app.include_router(agreement_pages_api.router)
    app.include_router(call_pages_api.router)
    app.include_router(demo_roles_api.router)
    app.include_router(check_pages_api.router)
    app.include_router(device_pages_api.router)
    app.include_router(find_help_api.router)
    app.include_router(first_run_api.router)
    app.include_router(learn_api.router)
    app.include_router(attendance_pages_api.router)
    app.include_router(web_reports_api.router)
    app.include_router(round_pages_api.router)
    app.include_router(coverage_pages_api.router)
    app.include_router(sign_up_api.router)
    app.include_router(my_page_api.router)
    app.include_router(time_bank_pages_api.router)
    app.include_router(time_bank_desk_api.router)
    app.include_router(embed_api.router)
    app.include_router(estate_desk_api.router)
    app.include_router(dispatch_board_api.router)
    app.include_router(training_desk_api.router)
    app.include_router(issuer_batch_pages_api.router)
    app.include_router(region_dashboard_api.router)
    app.include_router(reminder_pages_api.router)
    app.include_router(device_lists_api.router)
    app.include_router(map_api.router)
    app.include_router(web_api.router)
    app.include_router(docs.router)
    add_error_handlers(app)
    complete_document(app)
    if standbys is not None:
        app.add_middleware(
            ReadFromStandbys,
            standbys=standbys,
            settings=settings,
            paths=STANDBY_PATHS,
        )
    app.add_middleware(AnswerDeadline, seconds=settings.answer_seconds, slow_paths=SLOW_PATHS)
    app.add_middleware(ShedLoad, threads=settings.threads, slow_paths=SLOW_PATHS, answer=error_response)
    app.add_middleware(BodyLimit, limits=body_limits(settings), answer=error_response)
    app.add_middleware(DefaultHeaders)
    if settings.cors_origins:
        app.add_middleware(PublicReads, origins=settings.cors_origins)
    if settings.app_origins:
        app.add_middleware(AppOrigins, origins=settings.app_origins)
    app.add_middleware(RequestTiming, metrics=app.state.request_metrics, is_logged=settings.access_log)
    app.state.tracer_provider = None
    if settings.traces_url:
        with requires_extra("otel", needed_by="AED_TRACES_URL"):
            from aed.http.tracing import RequestTracing, trace_statements, tracer_provider

        app.state.tracer_provider = provider = tracer_provider(settings.traces_url)
        trace_statements(app.state.database.engine, provider)
        if standbys is not None:
            trace_statements(standbys.engine, provider)
        app.add_middleware(RequestTracing, provider=provider)
    return app


def _more_gauges(session: Session, settings: Mqtt, *, at: datetime) -> list[GaugeValue]:
    return [*bridge_gauges(session, settings, at=at), *waiting_erasure_gauges(session, at=at)]


def operation_id(route: APIRoute) -> str:
    """Return a route's operation id: the name of its function, which generated clients use.

    A test ensures that names are unique.
    """
    return route.name


def body_limits(settings: Settings) -> BodyLimits:
    """Return the limits of request bodies: a small one, except for the routes listed here."""
    lists = (
        "/v1/cap",
        "/v1/estates",
        "/v1/estates/{estate_id}",
        "/v1/holidays/{calendar}/{year}",
        "/v1/issuers",
        "/v1/issuers/{issuer_id}",
        "/v1/issuers/{issuer_id}/batches/{issuer_batch_id}/answer",
        "/issuer-batches/{issuer_id}/{issuer_batch_id}",
        "/v1/sessions/{session_id}/roster",
        "/v1/sessions/{session_id}/attendance",
        "/v1/sessions/{session_id}/assessments",
        "/time-bank/goods/{goods_id}/photo",
    )
    imports = FileLimit(settings.import_limit_bytes, settings.file_seconds)
    photo = FileLimit(settings.photo_limit_bytes, settings.photo_seconds)
    return BodyLimits(
        small_bytes=settings.body_limit_bytes,
        seconds=settings.body_seconds,
        lists=dict.fromkeys(lists, settings.list_limit_bytes),
        files={
            "/v1/lint": FileLimit(settings.lint_limit_bytes, settings.file_seconds),
            "/v1/imports/devices": imports,
            "/v1/imports/responders": imports,
            "/v1/imports/issuer-roster": imports,
            "/me/certificate": photo,
            "/lists": FileLimit(MAX_LIST_BYTES, settings.file_seconds),
            "/report": photo,
            "/v1/photos": photo,
        },
    )


def make_routes_ready(app: FastAPI) -> None:
    """Prepare included routes before the server starts.

    FastAPI would do so during the first request, which would take 0.2 s longer.
    """
    nowhere = {"type": "http", "method": "GET", "path": "/\0", "root_path": "", "path_params": {}}
    for route in app.routes:
        route.matches(nowhere)
    match_routers_by_path(app)
