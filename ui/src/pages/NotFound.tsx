import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { Empty } from "../components/feedback";
import { useTitle } from "../lib/hooks";

/** An address that names nothing. */
export function NotFound() {
  const { t } = useTranslation();
  useTitle(t("common.notFound"));
  return (
    <Empty title={t("common.notFound")} hint={t("common.notFoundHint")}>
      <Link href="/dags">{t("common.toDags")}</Link>
    </Empty>
  );
}
