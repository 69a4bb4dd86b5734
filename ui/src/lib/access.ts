/** Whether the reader may change things, as the server's role says. The server decides; this only explains early. */

import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { whoamiQuery } from "../api/queries";

const READ_ONLY = new Set(["viewer", "public"]);

/** Why changes are off for this reader, or null. */
export function useReadOnlyReason(): string | null {
  const { t } = useTranslation();
  const { data } = useQuery(whoamiQuery());
  return data && READ_ONLY.has(data.role.toLowerCase()) ? t("common.viewerOnly", { role: data.role }) : null;
}
