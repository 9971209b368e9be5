// The answers of the API, as far as the page reads them: `src/service/openapi.yaml` describes all of it. And the
// interface between the page and its views.

type Time = string;

interface Problem {
  variable?: string;
  reason: string;
}

interface Unreadable {
  key: string;
  reason: string;
}

interface Stats {
  sessions: number;
  events: number;
  set_aside: number;
  keys: number;
  key_budget: number | null;
  admin: boolean;
  unwell: { name: string; state: string }[];
  clock_faults: { site?: string; detail: string }[];
  sites: { site: string; complete_through: Time | null; missed: number | null }[];
  unreadable: Unreadable[];
}

/** The answer of `/api/now`. */
interface Now {
  now: Time;
  midnight: Time;
  open: number;
  /** The sessions without a representative, the oldest first, at most 100. */
  waiting: { site: string; lsid: string; since: Time }[];
  waiting_total: number;
  longest_wait_seconds: number | null;
  /** Since midnight. */
  ended: number;
  /** Since midnight. */
  never_answered: number;
  /** Another text once anything is stored or removed. */
  version: string;
}

interface Spread {
  median: number;
  p90: number;
  max: number;
}

interface StatisticsGroup {
  /** `null` for the sessions without a representative or a team. */
  group: string | null;
  sessions: number;
  ended: number;
  never_answered: number;
  waiting_seconds: Spread | null;
  length_seconds: Spread | null;
  transfers: number;
  representatives: number;
  surveys: { customer: number; representative: number };
  unknown: { begin: number; waiting: number; length: number; transfers: number };
}

interface Statistics {
  groups: StatisticsGroup[];
}

interface Conference {
  kind: string;
  id: string;
  name: string;
}

interface Member {
  /** `customer`, `representative` or any other word. */
  type: string;
  name: string;
  username?: string;
}

interface SessionRow {
  site: string;
  lsid: string;
  state: string;
  first_event: Time;
  last_event: Time;
  start: Time | null;
  end: Time | null;
  announced: boolean;
  duration_seconds: number | null;
  customers: string[];
  owner: Conference | null;
  external_keys: string[];
  events: number;
}

interface SessionList {
  sessions: SessionRow[];
  next: string | null;
  unreadable: Unreadable[];
  /** All later sessions were searched. */
  searched_through?: Time | null;
}

/** The appliance's report of a session, as far as the page shows it. */
interface Report {
  session_type?: string;
  sequence_number?: string;
  start?: Time;
  end: Time;
  duration_seconds?: number;
  public_site?: string;
  team?: string;
  primary_customer?: string;
  primary_representative?: string;
  files_transferred?: number;
  files_moved?: number;
  files_deleted?: number;
  custom_attributes?: Record<string, string>;
  customers?: ReportPerson[];
  representatives?: (ReportPerson & { username?: string; seconds_involved?: number; owner?: boolean })[];
  links?: { chat?: string; chat_download?: string; recording?: string; recording_download?: string };
  files?: { time?: Time; action: string; by?: string; name?: string; bytes?: number }[];
  surveys?: { by: string; answers?: Record<string, string> }[];
  notes?: ReportText[];
  chat?: ReportText[];
  system_information?: ReportText[];
  truncated?: boolean;
}

interface ReportPerson {
  name?: string;
  public_address?: string;
  private_address?: string;
  hostname?: string;
  os?: string;
  company?: string;
  issue?: string;
  details?: string;
}

interface ReportText {
  time?: Time;
  by?: string;
  text: string;
}

/** The state of the checks of a site's appliance. */
interface ApplianceStatus {
  site: string;
  /** `working`, `not-checked`, or the name of a fault. */
  state: string;
  detail?: string;
  failing_since?: Time;
  complete_through: Time | null;
  behind_seconds?: number;
  polled: boolean;
  missed: number;
  next_check: Time | null;
  /** The reasons by session. */
  unreadable: Record<string, string>;
}

/** The data of an event: the fields that the guide names, and every other variable under `variables`. */
interface EventData {
  event: string;
  external_key?: string;
  /** Only of a report. */
  fetched?: Time;
  /** Only of a report. */
  report?: Report;
  conference?: Conference;
  member?: Member;
  variables?: Record<string, unknown>;
  [further: string]: unknown;
}

interface SessionDetail {
  site: string;
  lsid: string;
  state: string;
  start: Time | null;
  end: Time | null;
  duration_seconds: number | null;
  announced: boolean;
  waiting_seconds?: number | null;
  transfers?: number | null;
  owners: (Conference & { since: Time })[];
  participants: (Member & { joined: Time | null; left: Time | null })[];
  external_keys: { external_key: string }[];
  surveys: { by: string; completed: Time }[];
  events: { time: Time; data: EventData }[];
  events_total: number;
  next: string | null;
  unreadable: Unreadable[];
}

interface SetAsideBody {
  id: string;
  site: string;
  firstseen: Time;
  problems: Problem[];
  body?: string;
  body_base64?: string;
}

interface SetAsideList {
  set_aside: SetAsideBody[];
  next: string | null;
  unreadable: Unreadable[];
}

interface Paused {
  since: Time;
  reason: string;
}

interface DestinationStatus {
  name: string;
  format: string;
  origin?: string;
  state: string;
  pending: number;
  oldest_pending?: Time;
  last_success?: Time;
  last_answer?: string;
  last_error?: string;
  failing_since?: Time;
  failing_event?: string;
  next_attempt?: Time;
  paused?: Paused;
  refused: number;
  replays: number;
  attempts: DeliveryAttempt[];
}

interface DeliveryAttempt {
  time: Time;
  event: string;
  events: number;
  answer: string;
  milliseconds: number;
}

interface RefusedEvent {
  id: string;
  event: string;
  time: Time;
  reason: string;
}

/** The search fields of the list, by name: `FILTERS` in `query.js`. */
type Filter = Record<string, string>;

/** What a view can ask of the page that shows it. */
interface ViewHost {
  /** Reads again what the view shows. */
  refresh(): Promise<void>;
  /** Shows an error, unless another view is shown by now. */
  report(error: unknown): void;
  /** Whether the view is still shown. */
  isShown(): boolean;
  /** Calls back every few seconds while the view is shown, with the latest answer of `/api/now`. */
  onPoll(callback: (now: Now | null) => void): void;
}

/** One refresh of a view. */
interface Refresh {
  /** Aborted once a newer refresh or another view has replaced this one. */
  signal: AbortSignal;
  /** `null` if the statistics of the store could not be read. */
  stats: Stats | null;
  /** Whether the token is one of `admin_tokens`. */
  admin: boolean;
  /** The last answer of `/api/now`, if there is one. */
  now: Now | null;
  /** Whether a timer started it, and not the reader. */
  byTimer: boolean;
}

/** Reads what a view shows, and shows it. */
type Update = (refresh: Refresh) => Promise<void>;
